//! `script/simulate`: runs schedules and says which promises they broke, or shows one.

use std::process::ExitCode;

/// Schedules of a run that says nothing else.
const SCHEDULES: u64 = 20_000;

fn main() -> ExitCode {
    // A panic of the core is a broken promise, told with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--seed", seed] => seed.parse().map_or_else(|_| usage(), show),
        [] => count(1, SCHEDULES),
        [schedules] => schedules.parse().map_or_else(|_| usage(), |schedules| count(1, schedules)),
        [schedules, "--first"] => schedules.parse().map_or_else(|_| usage(), first_failure),
        [schedules, "--from", first] => match (schedules.parse(), first.parse()) {
            (Ok(schedules), Ok(first)) => count(first, schedules),
            _ => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: script/simulate [SCHEDULES [--from SEED | --first]] | --seed SEED");
    ExitCode::from(2)
}

fn show(seed: u64) -> ExitCode {
    println!("{}", storkit_sim::explain(seed, None));
    if storkit_sim::run(seed, None).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Stops at the first failure.
fn first_failure(schedules: u64) -> ExitCode {
    match storkit_sim::many(1, schedules, None) {
        Ok(_) => ExitCode::SUCCESS,
        Err(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn count(first: u64, schedules: u64) -> ExitCode {
    let began = std::time::Instant::now();
    let found = storkit_sim::survey(first, schedules);
    let seconds = began.elapsed().as_secs_f64();
    for (times, failure) in found.values() {
        let text = failure.to_string();
        println!("{times:>6} × {}\n", text.chars().take(600).collect::<String>());
    }
    println!("{schedules} schedules in {seconds:.1} s, {} promises broken", found.len());
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
