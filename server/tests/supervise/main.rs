//! Runs under the real program: whatever a run starts, and however it or its supervisor ends, nothing stays.
//!
//! Every case is tried in each container that this machine can make.

mod bench;
mod containment;
mod contract;
mod runtimes;
