//! The crash harness: the real daemon, real git and fake agents, killed at named points and at random, started
//! again, and held to the promises I1 to I5, I8, I12 and I16 of docs/ARCHITECTURE.md.
//!
//! A [`Scene`] is a small project, and each [`Kill`] is how one daemon of it ends; the checks look at the disk and at
//! git alone. The tests are in `tests/`; `script/crash` runs them for long.

pub mod checks;
pub mod life;
pub mod rng;
pub mod scene;

pub use life::{End, Kill, Tour};
pub use rng::Rng;
pub use scene::{Base, Scene};
