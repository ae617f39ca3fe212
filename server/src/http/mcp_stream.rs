//! The command line's side of MCP: lines of a program's standard input to the daemon, and its lines back.
//!
//! Bytes alone: the protocol is spoken by the daemon.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use storkit_core::request::Refusal;

use super::client::ClientError;
use super::streams::MCP_STREAM;
use crate::sys::task;

/// Longest head of the daemon's answer, in bytes.
const HEAD_LEN_MAX: usize = 16 * 1024;

/// Passes both ways on until one side ends. Ends the daemon's side when the input ends.
pub(super) fn pass(
    mut stream: UnixStream,
    token: Option<&str>,
    input: impl Read + Send + 'static,
    mut output: impl Write,
) -> Result<(), ClientError> {
    let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let head = format!(
        "GET /mcp/stream HTTP/1.1\r\nhost: storkit\r\nconnection: upgrade\r\nupgrade: {MCP_STREAM}\r\n{token}\r\n"
    );
    stream.write_all(head.as_bytes()).map_err(broken)?;
    let head = read_head(&mut stream).map_err(broken)?;
    if head.starts_with("HTTP/1.1 401") {
        return Err(ClientError::Refused(Refusal {
            error: "the token in STORKIT_TOKEN is of no run that lives".to_owned(),
            hint: Some("outside of an agent's run, unset STORKIT_TOKEN".to_owned()),
            code: 1,
        }));
    }
    if !head.starts_with("HTTP/1.1 101") {
        let status = head.lines().next().unwrap_or_default();
        return Err(ClientError::Broken(format!("it answered {status}")));
    }
    let to = stream.try_clone().map_err(broken)?;
    task::spawn("mcp", move || {
        let _ = copy(input, &to);
        let _ = to.shutdown(Shutdown::Write);
    })
    .map_err(broken)?;
    // An output that nobody reads ends it as well.
    let _ = copy(stream, &mut output);
    Ok(())
}

/// The head of an answer, and no byte more.
fn read_head(stream: &mut UnixStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_LEN_MAX {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn copy(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let mut piece = vec![0; 64 * 1024];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(len) => {
                to.write_all(&piece[..len])?;
                to.flush()?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn broken(error: io::Error) -> ClientError {
    ClientError::Broken(error.to_string())
}
