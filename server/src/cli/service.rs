//! `storkit service`: makes the project's daemon a service of this user, by a file. It starts and stops nothing
//! itself: it says what to run.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;

use super::exit::{Exit, Failure, Outcome, io};
use super::service_unit::{Service, is_unchanged};
use super::{Context, ask, trust};
use crate::sys::fs::write_atomic;

/// `storkit service`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(super) enum ServiceCommand {
    /// Write the service's file, and say what to run; one that was changed by hand is left alone
    Install {
        /// Write it anew even so
        #[arg(long)]
        force: bool,
    },
    /// Remove the service's file, and say what to run
    Uninstall,
    /// Say where the service's file is, how it stands, and whether a daemon runs
    Status,
}

/// Where the service stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct View {
    /// Its name.
    name: String,
    /// Its file.
    path: PathBuf,
    /// `absent`, `installed`, `outdated` (of an earlier version), `changed` (by hand).
    state: &'static str,
    /// The daemon's pid, whoever started it.
    pid: Option<u32>,
}

/// Runs the command.
pub(super) fn run(context: &Context, what: ServiceCommand) -> Outcome {
    let root = context.project()?.root.clone();
    let service = service(&root)?;
    let path = place(&service)?;
    match what {
        ServiceCommand::Install { force } => install(context, &service, &path, force),
        ServiceCommand::Uninstall => uninstall(context, &service, &path),
        ServiceCommand::Status => status(context, &service, path),
    }
}

fn service(root: &Path) -> Result<Service, Failure> {
    let exe = std::env::current_exe()
        .map_err(|error| Failure::new(format!("cannot find this program: {error}")))?;
    let text = |path: &Path| {
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| Failure::new(format!("{} is no UTF-8, which services need", path.display())))
    };
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    Ok(Service { exe: text(&exe)?, root: text(root)?, path })
}

/// Where the file belongs: below the person's configuration.
fn place(service: &Service) -> Result<PathBuf, Failure> {
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    let home = || home.clone().ok_or_else(|| Failure::new("HOME is not set"));
    if cfg!(target_os = "macos") {
        return Ok(home()?.join("Library/LaunchAgents").join(format!("{}.plist", service.name())));
    }
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let config = config.map_or_else(|| Ok(home()?.join(".config")), Ok::<_, Failure>)?;
    Ok(config.join("systemd/user").join(format!("{}.service", service.name())))
}

fn text(service: &Service) -> String {
    if cfg!(target_os = "macos") { service.agent() } else { service.unit() }
}

/// The file's text; none where there is no file.
fn read(path: &Path) -> Result<Option<String>, Failure> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io("read", path)(error)),
    }
}

fn state(service: &Service, path: &Path) -> Result<&'static str, Failure> {
    Ok(match read(path)? {
        None => "absent",
        Some(old) if old == text(service) => "installed",
        Some(old) if is_unchanged(&old) => "outdated",
        Some(_) => "changed",
    })
}

fn install(context: &Context, service: &Service, path: &Path, force: bool) -> Outcome {
    let root = Path::new(&service.root);
    if !trust::is_trusted(&trust::common_dir(root)?, root) {
        return Err(Failure::new("this clone is not trusted yet, and a service cannot ask")
            .hint("storkit up, once, shows what it would run and asks"));
    }
    let before = state(service, path)?;
    if before == "changed" && !force {
        return Err(Failure::new(format!("{} was changed by hand, and is left as it is", path.display()))
            .hint("--force writes it anew"));
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder).map_err(io("make", folder))?;
    write_atomic(path, text(service).as_bytes(), folder, 0o644)
        .map_err(|error| Failure::new(error.to_string()))?;
    said(context, service, path, before, &enable(service, path))
}

fn uninstall(context: &Context, service: &Service, path: &Path) -> Outcome {
    let before = state(service, path)?;
    if before == "changed" {
        return Err(Failure::new(format!("{} was changed by hand, and is left as it is", path.display()))
            .hint("remove it by hand"));
    }
    if before != "absent" {
        std::fs::remove_file(path).map_err(io("remove", path))?;
    }
    said(context, service, path, before, &disable(service, path))
}

/// Says what stands where now, and what to run.
fn said(context: &Context, service: &Service, path: &Path, before: &str, next: &[String]) -> Outcome {
    let now = state(service, path)?;
    if context.out.json {
        let name = service.name();
        context.out.json(
            &serde_json::json!({"name": name, "path": path, "before": before, "state": now, "run": next}),
        )?;
        return Ok(Exit::Done);
    }
    context.out.say(&format!("{}: {now} (was {before})", path.display()));
    context.out.say("now run:");
    for line in next {
        context.out.say(&format!("  {line}"));
    }
    Ok(Exit::Done)
}

fn enable(service: &Service, path: &Path) -> Vec<String> {
    let name = service.name();
    if cfg!(target_os = "macos") {
        return vec![format!("launchctl bootstrap gui/$(id -u) '{}'", path.display())];
    }
    vec![
        "storkit down                                 # a daemon that runs already".to_owned(),
        "systemctl --user daemon-reload".to_owned(),
        format!("systemctl --user enable --now {name}"),
        "loginctl enable-linger                       # so that it runs without a login".to_owned(),
        format!("journalctl --user -u {name} -f       # what it says"),
    ]
}

fn disable(service: &Service, path: &Path) -> Vec<String> {
    let name = service.name();
    if cfg!(target_os = "macos") {
        return vec![format!("launchctl bootout gui/$(id -u) '{}'", path.display())];
    }
    vec![format!("systemctl --user disable --now {name}"), "systemctl --user daemon-reload".to_owned()]
}

fn status(context: &Context, service: &Service, path: PathBuf) -> Outcome {
    let status = match ask::daemon(context)? {
        Some(client) => client.status(false)?.daemon,
        None => None,
    };
    let view = View {
        name: service.name(),
        state: state(service, &path)?,
        path,
        pid: status.map(|daemon| daemon.pid),
    };
    if context.out.json {
        context.out.json(&view)?;
        return Ok(Exit::Done);
    }
    let daemon =
        view.pid.map_or_else(|| "no daemon runs".to_owned(), |pid| format!("a daemon runs, pid {pid}"));
    context.out.data(&format!("{}  {}\n{}\n{daemon}\n", view.name, view.state, view.path.display()))?;
    Ok(Exit::Done)
}
