//! One schedule: chaos, then calm, then what must have come of it. And many of them, on all processors.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use storkit_core::invariants::Violation;

use crate::mutant::Mutant;
use crate::trace::Trace;
use crate::world::{Task, World};

/// How long, in simulated milliseconds, a calm world is looked at without help.
const ALONE_MS: u64 = 10 * 60_000;
/// How long a helped world has until all is done.
const HELPED_MS: u64 = 3 * 3_600_000;
/// Most steps of either.
const STEPS_MAX: u64 = 20_000;

/// What schedules did, to see that they did something.
#[derive(Debug, Default, Clone, Copy)]
pub struct Stats {
    /// Schedules.
    pub schedules: u64,
    /// Things that happened.
    pub steps: u64,
    /// Runs of agents.
    pub runs: u64,
    /// Commits on base.
    pub landings: u64,
    /// Starts of the daemon after the first.
    pub restarts: u64,
}

impl Stats {
    fn add(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.steps += other.steps;
        self.runs += other.runs;
        self.landings += other.landings;
        self.restarts += other.restarts;
    }
}

/// A schedule that broke a promise.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The seed that brings it again.
    pub seed: u64,
    /// The promise, and how it was broken.
    pub violation: Violation,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {}: {}\nagain: STORKIT_SIM_SEED={} cargo test -p storkit-sim",
            self.seed, self.violation, self.seed
        )
    }
}

/// Runs the schedule of a seed.
pub fn run(seed: u64, mutant: Option<Mutant>) -> Result<Stats, Failure> {
    let mut world = World::new(seed, mutant, Trace::default());
    play(&mut world, seed).map_err(|violation| Failure { seed, violation })
}

/// Runs the schedule of a seed again, and says what happened to its end.
pub fn explain(seed: u64, mutant: Option<Mutant>) -> String {
    let mut world = World::new(seed, mutant, Trace::new(true));
    let end = match play(&mut world, seed) {
        Ok(stats) => format!("no promise was broken: {stats:?}"),
        Err(violation) => violation.to_string(),
    };
    format!("{:?}\n{:?}\n{}{end}\n", world.trouble, world.config, world.trace.text())
}

/// Plays a schedule to its end. A panic of the core is a broken promise too.
fn play(world: &mut World, seed: u64) -> Result<Stats, Violation> {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play_on(world, seed)));
    caught.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        Err(Violation::new("the core does not panic", text.unwrap_or_default()))
    })
}

fn play_on(world: &mut World, seed: u64) -> Result<Stats, Violation> {
    let mut steps = 0;
    while steps < world.trouble.steps && world.step()? {
        steps += 1;
    }
    world.calm_down()?;
    if seed.is_multiple_of(3) {
        steps += calm(world, ALONE_MS, |_| false)?;
    } else {
        world.later_for_all(0, Task::Helper);
        steps += calm(world, HELPED_MS, |world| world.pipe.is_some() && world.unfinished().is_empty())?;
        if let Some(open) = world.unfinished().first() {
            return Err(Violation::new("with help all is done in the end (I14)", open.clone()));
        }
    }
    settle(world)?;
    world.check_calm()?;
    Ok(Stats {
        schedules: 1,
        steps,
        runs: world.watch.runs,
        landings: world.watch.landings,
        restarts: u64::from(world.life - 1),
    })
}

/// Lets a calm world go on for a while, or until `enough`.
fn calm(world: &mut World, for_ms: u64, enough: impl Fn(&World) -> bool) -> Result<u64, Violation> {
    let until = world.now + for_ms;
    let mut steps = 0;
    while world.next_at().is_some_and(|at| at <= until) && !enough(world) {
        world.step()?;
        steps += 1;
        if steps > STEPS_MAX {
            return Err(Violation::new("a calm world comes to rest", format!("{steps} steps")));
        }
    }
    Ok(steps)
}

/// Lets what was seen last be told: until nothing is in flight and everything was looked at.
fn settle(world: &mut World) -> Result<(), Violation> {
    world.help_no_more();
    let until = world.now + 5 * 60_000;
    let from = world.now + 2 * 60_000;
    while world.next_at().is_some_and(|at| at <= until) {
        if world.now > from && world.flights.is_empty() && !world.is_looking() && world.pipe.is_some() {
            break;
        }
        world.step()?;
    }
    Ok(())
}

/// Runs the schedules of `count` seeds from `first` on, and counts the failures of each rule, with the first of each.
pub fn survey(first: u64, count: u64) -> BTreeMap<&'static str, (u64, Failure)> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(first);
    let all: Mutex<BTreeMap<&'static str, (u64, Failure)>> = Mutex::default();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                break;
            }
            let Err(failure) = run(seed, None) else { continue };
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = all.entry(failure.violation.rule).or_insert_with(|| (0, failure.clone()));
            entry.0 += 1;
            if failure.seed < entry.1.seed {
                entry.1 = failure;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    all.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the schedules of `count` seeds from `first` on, on all processors. The failure with the lowest seed is told.
pub fn many(first: u64, count: u64, mutant: Option<Mutant>) -> Result<Stats, Failure> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(first);
    let failed = AtomicU64::new(u64::MAX);
    let all: Mutex<(Stats, Option<Failure>)> = Mutex::new((Stats::default(), None));
    let work = || {
        let mut own = Stats::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count || seed >= failed.load(Ordering::Relaxed) {
                break;
            }
            match run(seed, mutant) {
                Ok(stats) => own.add(stats),
                Err(failure) => {
                    failed.fetch_min(seed, Ordering::Relaxed);
                    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                    if all.1.as_ref().is_none_or(|other| seed < other.seed) {
                        all.1 = Some(failure);
                    }
                }
            }
        }
        all.lock().unwrap_or_else(PoisonError::into_inner).0.add(own);
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let (stats, failure) = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    failure.map_or(Ok(stats), Err)
}
