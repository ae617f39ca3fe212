//! The real core in a fake world: seeded schedules of agents, persons, crashes and faults, with the promises checked
//! after every step. The same seed gives the same schedule.

mod agents;
mod check;
mod exec;
mod faults;
mod files;
mod git;
mod mutant;
mod people;
mod recovery;
mod rng;
mod scanner;
mod schedule;
mod settings;
mod trace;
mod world;

pub use mutant::Mutant;
pub use schedule::{Failure, Stats, explain, many, run, survey};
