//! The program: its two inner modes first, then the command line.

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
        Some("up") => {
            tracing_subscriber::fmt().init();
            let o = storkit::daemon::Options {
                root: std::env::current_dir().unwrap(),
                once: false,
                in_terminal: true,
            };
            if let Err(e) = storkit::daemon::run(&o, Box::new(|| println!("serving"))) {
                println!("{e}");
            }
            ExitCode::SUCCESS
        }
        Some("status") => {
            let c = storkit::http::client::Client::connect(
                &std::env::current_dir().unwrap().join(".storkit/run"),
            )
            .unwrap();
            println!("{}", serde_json::to_string_pretty(&c.status(true).unwrap()).unwrap());
            ExitCode::SUCCESS
        }
        _ => ExitCode::SUCCESS,
    }
}
