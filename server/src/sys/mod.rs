//! The bottom of the shell: processes, files, clocks, threads and words for a terminal, each behind one door.

pub mod cancel;
pub mod emulator;
pub mod failpoint;
pub mod fs;
pub mod https;
pub mod layout;
pub mod lease;
pub mod lock;
#[cfg(target_os = "linux")]
pub mod manager;
pub mod mount;
pub mod proc_tree;
pub mod process;
pub mod task;
pub mod text;
pub mod trace;
