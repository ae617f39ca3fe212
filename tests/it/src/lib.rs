//! storkit as a user meets it: the built program, real git, real files, a fake agent. One binary, a file for each
//! behaviour; a test's name is the sentence that it proves.
//!
//! Build the programs first (`cargo build --workspace --bins`; `script/test` does): the tests start what is
//! built, and refuse what is older than its sources.
#![cfg(test)]

mod crashes;
mod daemon;
mod gates;
mod harness;
mod landing;
mod moves;
