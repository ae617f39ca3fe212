//! Where a supervised program's output comes from: a terminal, or a pipe. The home of portable-pty.
//!
//! Only a supervisor uses it: portable-pty forks the whole process, which is cheap only there.

#![expect(unsafe_code, reason = "portable-pty hands out its descriptor as a bare number")]

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::Stdio;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::termios::Winsize;

use super::spec::RunSpec;
use crate::sys::process::command;

/// The terminal's size, in characters.
pub(super) const COLUMNS: u16 = 120;
/// The terminal's size, in lines.
pub(super) const ROWS: u16 = 40;

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Got {
    /// So many bytes.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// Nobody holds the other end open now.
    HungUp,
}

/// This side of a program's output and, on a terminal, input. It never blocks.
#[derive(Debug)]
pub(super) struct Console {
    fd: OwnedFd,
    terminal: bool,
}

impl Console {
    /// Starts `exe` with these arguments and the spec's environment, on a new terminal or pipe. Its own error
    /// texts go there too. Returns its process number.
    pub(super) fn spawn(spec: &RunSpec, exe: &Path, args: &[&str]) -> io::Result<(Self, i32)> {
        if spec.terminal { Self::on_terminal(spec, exe, args) } else { Self::on_pipe(spec, exe, args) }
    }

    fn on_terminal(spec: &RunSpec, exe: &Path, args: &[&str]) -> io::Result<(Self, i32)> {
        let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).map_err(io::Error::other)?;
        let mut builder = CommandBuilder::new(exe);
        builder.args(args);
        builder.env_clear();
        for (name, value) in &spec.env {
            builder.env(name, value);
        }
        // It changes into the worktree itself, after a look at it.
        builder.cwd("/");
        let child = pair.slave.spawn_command(builder).map_err(io::Error::other)?;
        let raw =
            pair.master.as_raw_fd().ok_or_else(|| io::Error::other("the terminal has no descriptor"))?;
        // SAFETY: `pair.master` owns the descriptor and lives to the end of this function.
        let fd = unsafe { BorrowedFd::borrow_raw(raw) }.try_clone_to_owned()?;
        Self::new(fd, true, child.process_id())
    }

    fn on_pipe(spec: &RunSpec, exe: &Path, args: &[&str]) -> io::Result<(Self, i32)> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        let mut command = command(exe);
        command.args(args).env_clear().envs(&spec.env).current_dir("/");
        command.stdout(Stdio::from(write.try_clone()?)).stderr(Stdio::from(write));
        let child = command.spawn()?;
        Self::new(read, false, Some(child.id()))
    }

    fn new(fd: OwnedFd, terminal: bool, pid: Option<u32>) -> io::Result<(Self, i32)> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        let pid = pid.and_then(|pid| i32::try_from(pid).ok());
        let pid = pid.ok_or_else(|| io::Error::other("the program has no process number"))?;
        Ok((Self { fd, terminal }, pid))
    }

    /// Reads what is there.
    pub(super) fn read(&self, buffer: &mut [u8]) -> Got {
        match rustix::io::read(&self.fd, buffer) {
            // On a terminal EIO says that no slave is open.
            Ok(0) | Err(Errno::IO) => Got::HungUp,
            Ok(len) => Got::Bytes(len),
            Err(Errno::AGAIN | Errno::INTR) => Got::Nothing,
            Err(_) => Got::HungUp,
        }
    }

    /// Types into the terminal as much as it takes now; how much that was. Without a terminal all is dropped.
    pub(super) fn write(&self, bytes: &[u8]) -> usize {
        if !self.terminal {
            return bytes.len();
        }
        match rustix::io::write(&self.fd, bytes) {
            Ok(len) => len,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(_) => bytes.len(),
        }
    }

    /// Gives the terminal another size.
    pub(super) fn resize(&self, columns: u16, rows: u16) {
        if self.terminal {
            let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
            let _ = rustix::termios::tcsetwinsize(&self.fd, size);
        }
    }
}

impl AsFd for Console {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
