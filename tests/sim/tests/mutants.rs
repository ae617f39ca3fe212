//! Broken shells, each of which the simulation must find, and soon: else its checks prove nothing.

use storkit_sim::{Mutant, many};

/// Schedules within which each must be found.
const SCHEDULES: u64 = 5_000;

#[test]
fn every_broken_shell_is_found() {
    let mut missed = Vec::new();
    for mutant in Mutant::ALL {
        match many(1, SCHEDULES, Some(mutant)) {
            Ok(_) => missed.push(mutant),
            Err(failure) => println!("{mutant:?}: schedule {}: {}", failure.seed, failure.violation.rule),
        }
    }
    assert!(missed.is_empty(), "not found in {SCHEDULES} schedules: {missed:?}");
}
