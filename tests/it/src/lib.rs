//! storkit as a user meets it: the built program, real git, real files, a fake agent. One binary, a file for each
//! behaviour; a test's name is the sentence that it proves.
//!
//! Build the programs first (`cargo build --workspace --bins`; `script/test` does): the tests start what is
//! built, and refuse what is older than its sources.
#![cfg(test)]

mod acp;
mod agent_check;
mod attempts;
mod board;
mod checkout;
mod commands;
mod common;
mod crashes;
mod daemon;
mod environment;
mod faces;
mod gates;
mod git_below;
mod harness;
mod hostile;
mod landing;
mod listeners;
mod matrix;
mod mcp;
mod money;
mod moves;
mod notify;
mod past;
mod review;
mod runtimes;
mod service;
mod settings;
mod talk;
mod terminal;
mod together;
mod warm;
mod why;
mod wire;
