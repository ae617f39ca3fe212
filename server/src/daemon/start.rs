//! A start, which is also every recovery: what is left of an earlier daemon is ended, landings on their way are
//! finished or dropped, and then the loop compares and acts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use storkit_core::config::{Config, SandboxMode};
use storkit_core::event::{Event, Start};
use storkit_core::ids::StoryId;
use storkit_core::memory::Memory;
use storkit_core::pipeline::Pipeline;
use storkit_core::pipeline::view::Surroundings;
use storkit_core::stage::Stage;
use storkit_core::story::Problem;
use tokio::sync::mpsc;

use super::acts::records::{LIMITS, PAUSED};
use super::dispatcher::Dispatcher;
use super::scanner::{Look, Scanner};
use super::signals::Signals;
use super::warmer::{Warm, Warmer};
use super::world::{Shared, World};
use super::{Options, SANDBOX, UpError, base_branch, branches, project_name, service, settings};
use crate::agents;
use crate::board::{BOARD_REF, Board, GitEye, History, RunGit};
use crate::git::{Repo, landing};
use crate::http::{Hub, TcpServer, Tokens};
use crate::ledger::Ledger;
use crate::notify::{Notifier, Place};
use crate::sys::cancel::Cancel;
use crate::sys::failpoint::reach;
use crate::sys::layout::Layout;
use crate::sys::lock::{Acquired, DaemonLock, Holder};
use crate::sys::task;

/// Longest time that the end waits for people to be told of what happened last.
const TELL_WAIT: std::time::Duration = std::time::Duration::from_secs(2);

/// Called once, when the daemon's socket answers.
pub type Serving = Box<dyn FnOnce() + Send>;

/// Runs a daemon until it is told to end. `serving` is called when its socket answers.
pub fn run(options: &Options, serving: Serving) -> Result<(), UpError> {
    let layout = Layout::new(&options.root);
    let repo = Repo::open(&options.root)?;
    if let Some(clash) = repo.clash()? {
        return Err(UpError::Clash(clash));
    }
    let holder = Holder { pid: std::process::id(), socket: layout.socket(), url: None };
    let lock = match DaemonLock::acquire(repo.common(), &holder)? {
        Acquired::Ours(lock) => lock,
        Acquired::Held(holder) => return Err(UpError::Held(holder)),
    };
    reach("start.locked");
    make_folders(&layout, &repo)?;
    reach("start.folders_made");
    let settings = settings::first(&layout)?;
    reach("start.config_kept");
    if settings.config.sandbox.mode == SandboxMode::Required {
        return Err(UpError::NoSandbox);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| UpError::System("cannot start the runtime", error))?;
    let base = base_branch(&settings.config, &repo)?;
    let config = Arc::new(settings::with_base((*settings.config).clone(), &base));
    let (inbox, messages) = mpsc::unbounded_channel();
    let (looks, scans) = std::sync::mpsc::channel();
    let (warm, warmings) = std::sync::mpsc::channel();
    let _runtime = runtime.enter();
    let world = Arc::new(world(options, &repo, &config, (inbox, looks, warm))?);
    reach("start.world_open");
    let tcp = service::take_port(&world, &config.server, options.port)?;
    find_container(&world);
    let recovery = recover(&world, &config)?;
    let scanner = Scanner::start(&world, scans)?;
    let warmer = Warmer::start(&world, warmings)?;
    world.configure(&config);
    let mut dispatcher = Dispatcher::new(Arc::clone(&world), Pipeline::new(seed(), config), messages);
    dispatcher.once = options.once;
    dispatcher.around = surroundings(&world, recovery.problems);
    world.send(Event::Configured(Arc::clone(dispatcher.pipeline.config()), settings.problems));
    world.send(Event::Started(Box::new(recovery.start)));
    // What nobody awaits yet is looked at first.
    let _ = world.scanner.send(Look::All);
    let outcome = runtime.block_on(serve(&world, dispatcher, options, (tcp, serving)));
    let _ = world.scanner.send(Look::Stop);
    scanner.join();
    warmer.stop();
    end(&world);
    drop(lock);
    outcome
}

async fn serve(
    world: &Shared,
    dispatcher: Dispatcher,
    options: &Options,
    (tcp, serving): (TcpServer, Serving),
) -> Result<(), UpError> {
    let signals = Signals::listen(options.in_terminal)
        .map_err(|error| UpError::System("cannot listen to signals", error))?;
    let served = service::open(world)?;
    let served_tcp = service::open_tcp(world, tcp);
    reach("start.bound");
    service::announce(world)?;
    world.serving.store(true, Ordering::Release);
    reach("start.announced");
    serving();
    dispatcher.run(signals).await;
    world.ended.send_replace(true);
    // Open streams end with the process.
    let both = async { (served.await, served_tcp.await) };
    let _ = tokio::time::timeout(std::time::Duration::from_millis(500), both).await;
    Ok(())
}

type Channels = (
    mpsc::UnboundedSender<super::dispatcher::Message>,
    std::sync::mpsc::Sender<Look>,
    std::sync::mpsc::Sender<Warm>,
);

fn world(options: &Options, repo: &Repo, config: &Arc<Config>, channels: Channels) -> Result<World, UpError> {
    let layout = Layout::new(&options.root);
    let run_git = run_git(repo);
    let eye = GitEye::open(&layout, repo.git_dir().to_path_buf(), Some(&run_git)).map_err(board_git)?;
    let board = Board::open(layout.clone())?.with_eye(eye);
    let history = History::start(&layout, Some(&run_git)).map_err(board_git)?;
    let ledger = Ledger::open(&layout.run(), &layout.logs())?;
    let hub = Hub::new(ledger.last_event());
    let exe = std::env::current_exe()
        .map_err(|error| UpError::System("cannot find storkit's own program", error))?;
    let tokens = Arc::new(Tokens::open(&layout.token(), &layout.tmp())?);
    let env = agents::env::of_this_process();
    let notifier = Notifier::start(Place {
        project: project_name(layout.root()),
        root: layout.root().to_owned(),
        run: layout.run(),
        tmp: layout.tmp(),
        env: env.clone(),
    })
    .map_err(|error| UpError::System("cannot start a thread", error))?;
    Ok(World {
        layout,
        repo: repo.clone(),
        base_branch: config.base_branch.clone().expect("it was filled in"),
        config: Mutex::new(Arc::clone(config)),
        board,
        history,
        ledger,
        notifier,
        hub,
        tokens,
        url: OnceLock::new(),
        exe,
        env,
        cancels: Mutex::default(),
        terminals: Mutex::default(),
        said: Mutex::default(),
        inbox: channels.0,
        scanner: channels.1,
        warm: channels.2,
        seq: AtomicU64::new(0),
        runtime: tokio::runtime::Handle::current(),
        ended: tokio::sync::watch::Sender::new(false),
        serving: AtomicBool::new(false),
        began: Instant::now(),
    })
}

/// git for the board's history, where git2 cannot open the repository.
fn run_git(repo: &Repo) -> RunGit {
    let repo = repo.clone();
    Arc::new(move |args: &[&str], input: &[u8]| {
        let output = repo.git().args(args).stdin(input).run();
        output.map(|output| output.stdout).map_err(|error| crate::board::GitError::Command {
            command: args.first().copied().unwrap_or_default().to_owned(),
            message: error.to_string(),
        })
    })
}

fn board_git(error: crate::board::GitError) -> UpError {
    UpError::System("cannot use git for the board's history", std::io::Error::other(error))
}

/// Finds out how runs can be held together, so that the first of them need not.
fn find_container(world: &World) {
    let exe = world.exe.clone();
    if let Err(error) = task::spawn("probe", move || agents::probe(&exe)) {
        tracing::warn!("no thread could be started: {error}");
    }
}

/// What a start found.
struct Recovery {
    start: Start,
    problems: Vec<Problem>,
}

/// Ends what an earlier daemon left running, and finishes or drops its landings.
fn recover(world: &World, config: &Config) -> Result<Recovery, UpError> {
    let marker = agents::repo_marker(&world.layout.run());
    let swept = agents::sweep(agents::Marked::Repository(&marker));
    if swept > 0 {
        tracing::warn!("{swept} processes of an earlier daemon's runs were ended");
    }
    super::janitor::forget_runs(&world.layout);
    reach("start.swept");
    let recovered = landing::recover(&world.repo, &world.base_branch)?;
    reach("start.recovered");
    let problems = recovered.notes.into_iter().map(|note| Problem::of_file(".", note, "look at it by hand"));
    let problems = problems.collect();
    if let Ok(ground) = world.ground(config) {
        super::acts::agents::empty_trash(&ground, &Cancel::new());
        reach("start.trash_emptied");
    }
    let meta = world.ledger.meta(PAUSED);
    let start = Start {
        intents: recovered.intents,
        memory: parsed(world.ledger.story_memory()),
        branches: branches(&world.repo)?,
        spent_today_usd: world.ledger.spent_today().usd,
        paused: meta.filter(|why| !why.is_empty()),
        limits: world
            .ledger
            .meta(LIMITS)
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default(),
    };
    Ok(Recovery { start, problems })
}

/// Memories as the pipeline takes them; one that does not parse is forgotten.
fn parsed(texts: BTreeMap<StoryId, String>) -> BTreeMap<StoryId, Memory> {
    texts.into_iter().filter_map(|(id, text)| Some((id, serde_json::from_str(&text).ok()?))).collect()
}

fn surroundings(world: &World, problems: Vec<Problem>) -> Surroundings {
    Surroundings {
        project: project_name(world.layout.root()),
        root: world.layout.root().display().to_string(),
        base_branch: world.base_branch.clone(),
        sandbox: SANDBOX.to_owned(),
        daemon: Some(service::view(world)),
        problems,
    }
}

/// Makes the folders that a daemon needs; one of the board only where its last commit holds no story of it. git
/// keeps no empty folder, so that a clone lacks those.
fn make_folders(layout: &Layout, repo: &Repo) -> Result<(), UpError> {
    layout.make_run()?;
    let last = repo.objects().reference(BOARD_REF)?;
    let held = |stage: Stage| match &last {
        Some(last) => repo.objects().entry(last, &format!(".storkit/work/{}", stage.folder())),
        None => Ok(None),
    };
    let is_new = Stage::ALL.iter().all(|stage| !layout.stage(*stage).exists());
    for stage in Stage::ALL {
        if is_new || held(stage)?.is_none() {
            make_folder(&layout.stage(stage))?;
        }
    }
    make_folder(&layout.logs())
}

fn make_folder(path: &Path) -> Result<(), UpError> {
    std::fs::create_dir_all(path).map_err(|error| UpError::System("cannot make a folder of .storkit", error))
}

/// What the last act of a daemon is: everything told is on disk, and its socket is gone.
fn end(world: &World) {
    if let Err(error) = world.history.flush() {
        tracing::warn!("the board's history is not up to date: {error}");
    }
    world.ledger.flush();
    world.notifier.flush(TELL_WAIT);
    let _ = std::fs::remove_file(world.layout.socket());
    let _ = std::fs::remove_file(world.layout.server_json());
}

/// Eight bytes that no other daemon has.
fn seed() -> u64 {
    let bytes = uuid::Uuid::new_v4();
    u64::from_le_bytes(bytes.as_bytes()[..8].try_into().expect("a UUID has sixteen bytes"))
}
