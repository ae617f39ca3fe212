//! Kills at every named point, in the middle of recovery, and at random.

use std::time::Duration;

use storkit::sys::failpoint::POINTS;
use storkit_crash::checks::{finished, state};
use storkit_crash::{Base, End, Kill, Rng, Scene, Tour};
use storkit_testkit::check::assert_none;

/// Most kills in one scene: its stories are to get done.
const KILLS_MAX: usize = 14;
/// Longest life before a random kill; a scene without kills takes about three of them.
const LIFE_MS_MAX: u64 = 1_500;

/// Ends a tour: all stories get done, the promises hold, and one more start changes nothing. Gives its kills.
fn conclude(mut tour: Tour) -> usize {
    tour.finish();
    let violations = finished(&tour.scene);
    if !violations.is_empty() {
        eprintln!("{}", tour.told());
    }
    assert_none(&violations);
    let before = state(&tour.scene.project);
    assert_eq!(tour.live(&Kill::Never), End::Quiet);
    assert_eq!(state(&tour.scene.project), before, "I12: a start with nothing to do changed something");
    eprintln!("{} kills; {}", tour.kills, served(&tour.served));
    tour.kills
}

fn served(served: &[Duration]) -> String {
    let mut sorted = served.to_vec();
    sorted.sort();
    let middle = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    format!("a start serves after {middle:?}, at most {:?}", sorted.last().copied().unwrap_or_default())
}

/// Kills at each of these points, one after the other, in as few scenes as that takes.
fn kill_at_each(base: Base, points: &[&'static str]) -> usize {
    let mut kills = 0;
    let mut tour = Tour::new(Scene::new(base));
    for point in points {
        let kill = Kill::At(point, 1);
        if tour.kills >= KILLS_MAX || tour.live(&kill) == End::Quiet {
            // All stories may be beyond that point: a new scene passes it.
            kills += conclude(std::mem::replace(&mut tour, Tour::new(Scene::new(base))));
            let end = tour.live(&kill);
            assert_eq!(end, End::Killed, "{point} is never reached\n{}", tour.told());
        }
    }
    kills + conclude(tour)
}

/// The points whose names begin so.
fn points(beginnings: &[&str]) -> Vec<&'static str> {
    let wanted = |point: &&&str| beginnings.iter().any(|beginning| point.starts_with(beginning));
    POINTS.iter().filter(wanted).copied().collect()
}

/// A lock of git's is held for a few milliseconds, which may pass unseen.
const RARE: &[&str] = &["advance.git_locked"];
/// Whether base moves on between the making and the taking of a warm worktree is a matter of luck.
const LUCKY: &str = "warm.brought_up";

#[test]
fn a_kill_at_any_point_of_a_start_and_of_the_board_loses_nothing() {
    let points = points(&["start.", "scan.", "effect.", "move.", "edit.", "history.", "ledger."]);
    let kills = kill_at_each(Base::CheckedOut, &points);
    assert!(kills >= points.len());
}

#[test]
fn a_kill_at_any_point_of_a_run_loses_nothing() {
    let points = points(&["prepare.", "run.", "settle.", "keep.", "gate.", "merge_tree."]);
    kill_at_each(Base::CheckedOut, &points);
}

#[test]
fn a_kill_at_any_point_of_a_warm_worktree_loses_nothing() {
    let mut points = points(&["warm."]);
    points.retain(|point| *point != LUCKY);
    kill_at_each(Base::Warm, &points);
}

#[test]
fn a_kill_at_any_point_of_a_landing_loses_nothing() {
    let mut points = points(&["squash.", "advance.", "finish.", "close.", "trash."]);
    points.retain(|point| *point != "advance.refs_moved" && !RARE.contains(point));
    kill_at_each(Base::CheckedOut, &points);
}

#[test]
fn a_kill_at_any_point_of_a_landing_on_a_bare_base_loses_nothing() {
    let git_merges = ["advance.noted", "advance.git_started", "advance.git_locked", "advance.fast_forwarded"];
    let mut points = points(&["squash.", "advance.", "finish.", "close.", "trash."]);
    points.retain(|point| !git_merges.contains(point));
    kill_at_each(Base::Bare, &points);
}

#[test]
fn a_recovery_that_is_killed_three_times_still_ends_well() {
    let mut kills = 0;
    let landings = [
        ("advance.intent_written", "recover.dropped"),
        ("advance.noted", "recover.dropped"),
        ("advance.git_started", "recover.checkout_settled"),
        ("advance.fast_forwarded", "recover.landed_set"),
        ("advance.landed_set", "recover.landed_set"),
        ("advance.done", "recover.landed_set"),
    ];
    for (at, last) in landings {
        let mut tour = Tour::new(Scene::new(Base::CheckedOut));
        for point in [at, "recover.begun", "recover.checkout_settled", last] {
            let end = tour.live(&Kill::At(point, 1));
            assert_eq!(end, End::Killed, "{point} is not reached\n{}", tour.told());
        }
        // Starts with nothing or much to mend, each cut short a little later.
        for point in ["start.swept", "start.recovered", "start.announced", "scan.reported"] {
            tour.live(&Kill::At(point, 1));
        }
        kills += conclude(tour);
    }
    assert!(kills >= 7 * landings.len());
}

/// A scene in which every life ends at a random moment, some of them with all supervisors.
fn kill_at_random(base: Base, seed: u64) -> usize {
    eprintln!("{base:?}, seed {seed}");
    let mut rng = Rng::new(seed);
    let mut tour = Tour::new(Scene::new(base));
    while tour.kills < KILLS_MAX {
        // Short lives are many: a start has much to lose.
        let most =
            [LIFE_MS_MAX / 10, LIFE_MS_MAX / 3, LIFE_MS_MAX][usize::try_from(rng.below(3)).expect("small")];
        let after = Duration::from_millis(rng.below(most));
        let kill = match rng.below(6) {
            0 => Kill::WithSupervisors(after),
            1 | 2 => {
                let point = rng.below(POINTS.len() as u64);
                Kill::At(POINTS[usize::try_from(point).expect("small")], 1 + rng.below(3))
            }
            _ => Kill::After(after),
        };
        if tour.live(&kill) == End::Quiet && tour.scene.all_done() {
            break;
        }
    }
    conclude(tour)
}

/// `script/crash` asks for more kills (`STORKIT_CRASH_KILLS`) and other seeds (from `STORKIT_CRASH_SEED` on).
#[test]
fn kills_at_random_moments_lose_nothing() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let (wanted, first) = (number("STORKIT_CRASH_KILLS", 40), number("STORKIT_CRASH_SEED", 1));
    let mut kills = 0;
    for seed in first.. {
        let base = [Base::Bare, Base::CheckedOut, Base::Warm, Base::CheckedOut]
            [usize::try_from(seed % 4).expect("small")];
        kills += u64::try_from(kill_at_random(base, seed)).expect("small");
        eprintln!("{kills} kills so far");
        if kills >= wanted {
            return;
        }
    }
}
