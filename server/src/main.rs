//! The program: its inner modes first, then the command line.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let mode = args.next();
    match mode.as_deref().and_then(std::ffi::OsStr::to_str) {
        Some("__supervise") => {
            args.next().map_or(ExitCode::from(2), |spec| storkit::agents::shim::main(Path::new(&spec)))
        }
        Some("__exec") => storkit::agents::exec::main(args),
        Some(storkit_core::runtime::API_AGENT_MODE) => storkit::api_agent::main(args),
        Some(storkit_core::runtime::acp::MODE) => storkit::agents::acp::main(args),
        _ => storkit::cli::main(),
    }
}
