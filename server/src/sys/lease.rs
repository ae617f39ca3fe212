//! Write leases: knowing that nobody else has a file open, and being told when somebody opens it.
//!
//! Linux only; elsewhere every file answers [`Taken::Unsupported`].
#![cfg_attr(target_os = "linux", expect(unsafe_code, reason = "fcntl's lease commands have no safe wrapper"))]

use std::fs::File;

/// From asm-generic/fcntl.h; the libc crate does not name it.
#[cfg(target_os = "linux")]
const F_SETSIG: libc::c_int = 10;

/// A write lease on an open file, given back when dropped.
#[derive(Debug)]
pub struct Lease<'f> {
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "no leases here"))]
    file: &'f File,
}

/// How asking for a lease ended.
#[derive(Debug)]
pub enum Taken<'f> {
    /// Nobody else has the file open.
    Held(Lease<'f>),
    /// Somebody has.
    Busy,
    /// This file, file system or system has no leases.
    Unsupported,
}

#[cfg(target_os = "linux")]
impl<'f> Lease<'f> {
    /// Asks for a write lease on `file`.
    pub fn take(file: &'f File) -> Taken<'f> {
        // The kernel tells the holder by a signal that somebody opens the file; the state is read instead. SIGURG
        // is ignored unless someone asks for it, so neither this process nor its children need a change for it.
        if fcntl(file, F_SETSIG, libc::SIGURG).is_err() {
            return Taken::Unsupported;
        }
        match fcntl(file, libc::F_SETLEASE, libc::F_WRLCK) {
            Ok(_) => Taken::Held(Self { file }),
            Err(libc::EAGAIN) => Taken::Busy,
            Err(_) => Taken::Unsupported,
        }
    }

    /// Whether nobody has tried to open the file since.
    pub fn is_intact(&self) -> bool {
        fcntl(self.file, libc::F_GETLEASE, 0) == Ok(libc::F_WRLCK)
    }
}

#[cfg(target_os = "linux")]
impl Drop for Lease<'_> {
    fn drop(&mut self) {
        // The descriptor's end gives it back too, so there is nothing to do when this fails.
        let _ = fcntl(self.file, libc::F_SETLEASE, libc::F_UNLCK);
    }
}

/// The call's answer, or its error number.
#[cfg(target_os = "linux")]
fn fcntl(file: &File, command: libc::c_int, argument: libc::c_int) -> Result<libc::c_int, libc::c_int> {
    use std::os::fd::AsRawFd;
    // SAFETY: the descriptor is open for as long as `file` is borrowed, and these commands take an integer.
    let answer = unsafe { libc::fcntl(file.as_raw_fd(), command, argument) };
    if answer == -1 {
        return Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO));
    }
    Ok(answer)
}

#[cfg(not(target_os = "linux"))]
impl<'f> Lease<'f> {
    /// There are no leases here.
    pub fn take(_file: &'f File) -> Taken<'f> {
        Taken::Unsupported
    }

    /// There are no leases here.
    pub fn is_intact(&self) -> bool {
        false
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_refused_while_open_elsewhere_and_breaks_when_someone_opens() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("f");
        std::fs::write(&path, "text").expect("written");
        let file = File::open(&path).expect("opened");
        let other = File::options().append(true).open(&path).expect("opened");
        assert!(matches!(Lease::take(&file), Taken::Busy | Taken::Unsupported));
        drop(other);
        let Taken::Held(lease) = Lease::take(&file) else {
            return; // No leases on this file system.
        };
        assert!(lease.is_intact());
        let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK;
        let opened = rustix::fs::open(&path, flags, rustix::fs::Mode::empty());
        assert_eq!(opened.err(), Some(rustix::io::Errno::AGAIN));
        assert!(!lease.is_intact());
        drop(lease);
        assert!(rustix::fs::open(&path, flags, rustix::fs::Mode::empty()).is_ok());
    }
}
