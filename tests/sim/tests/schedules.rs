//! Seeded schedules of the real core. `STORKIT_SIM_SCHEDULES` sets how many, `STORKIT_SIM_SEED` runs one and shows it.

use storkit_sim::{explain, many};

/// Schedules of a run that says nothing else.
const SCHEDULES: u64 = 20_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn no_schedule_breaks_a_promise() {
    if let Some(seed) = number("STORKIT_SIM_SEED") {
        let told = explain(seed, None);
        println!("{told}");
        storkit_sim::run(seed, None).unwrap_or_else(|failure| panic!("{failure}"));
        return;
    }
    let schedules = number("STORKIT_SIM_SCHEDULES").unwrap_or(SCHEDULES);
    match many(1, schedules, None) {
        Ok(stats) => println!("{stats:?}"),
        Err(failure) => panic!("{}\n{failure}", explain(failure.seed, None)),
    }
}
