//! What kind of file system a folder is on: whether its changes are told to who watches.

use std::path::Path;

/// Whether a file system tells its watchers what changed, by anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Events {
    /// It does.
    Told,
    /// It is of a kind that does not tell what others change; its name.
    NotTold(&'static str),
}

/// Asks about the file system of `path`; one that cannot be asked counts as telling.
#[cfg(target_os = "linux")]
pub fn events(path: &Path) -> Events {
    let Ok(stat) = rustix::fs::statfs(path) else {
        return Events::Told;
    };
    // The numbers are those of linux/magic.h; a negative one is the same 32 bits read as signed.
    match u32::try_from(i128::from(stat.f_type) & 0xFFFF_FFFF) {
        Ok(0x6969) => Events::NotTold("NFS"),
        Ok(0x517B | 0xFE53_4D42 | 0xFF53_4D42) => Events::NotTold("SMB"),
        Ok(0x6573_5546) => Events::NotTold("FUSE"),
        Ok(0x0102_1997) => Events::NotTold("9p"),
        Ok(0x00C3_6400) => Events::NotTold("Ceph"),
        Ok(0x5346_414F | 0x6B41_4653) => Events::NotTold("AFS"),
        Ok(0x786F_4256) => Events::NotTold("a VirtualBox folder"),
        _ => Events::Told,
    }
}

/// Every file system here tells.
#[cfg(not(target_os = "linux"))]
pub fn events(_path: &Path) -> Events {
    Events::Told
}
