//! The little of HTTP/1.1 that the scripted model needs: reading a request, writing a document, a stream, a reset.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use rustix::net::sockopt::set_socket_linger;
use serde_json::Value;

use super::answer::Frame;

/// The most that the lines of a request's head may have together, in bytes.
const HEAD_MAX: u64 = 64 << 10;
/// The most that a body may have, in bytes.
const BODY_MAX: u64 = 64 << 20;

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Incoming {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.take(HEAD_MAX).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

/// Reads the next request of a connection; none where it ended.
pub(super) fn read(from: &mut BufReader<&TcpStream>) -> io::Result<Option<Incoming>> {
    let first = line(from)?;
    let mut words = first.split(' ');
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let mut headers = BTreeMap::new();
    let mut size = 0;
    loop {
        let line = line(from)?;
        size += line.len() as u64;
        if line.is_empty() {
            break;
        }
        if size > HEAD_MAX {
            return Err(broken("the head is too long"));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| broken("a header without a colon"))?;
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    if headers.get("expect").is_some_and(|what| what.eq_ignore_ascii_case("100-continue")) {
        from.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let chunked = headers.get("transfer-encoding").is_some_and(|how| how.eq_ignore_ascii_case("chunked"));
    let body = if chunked {
        read_chunks(from)?
    } else {
        let length = headers.get("content-length").map_or(Ok(0), |length| length.parse::<u64>());
        read_exactly(from, length.map_err(|_| broken("the length is no number"))?)?
    };
    Ok(Some(Incoming { method: method.to_owned(), path: path.to_owned(), headers, body }))
}

fn read_exactly(from: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    if length > BODY_MAX {
        return Err(broken("the body is too long"));
    }
    let mut body = Vec::new();
    from.take(length).read_to_end(&mut body)?;
    if body.len() as u64 == length { Ok(body) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn read_chunks(from: &mut BufReader<&TcpStream>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let head = line(from)?;
        let length = u64::from_str_radix(head.split(';').next().unwrap_or_default(), 16);
        let length = length.map_err(|_| broken("a chunk without a length"))?;
        body.extend(read_exactly(from, length)?);
        line(from)?;
        if length == 0 {
            return Ok(body);
        }
        if body.len() as u64 > BODY_MAX {
            return Err(broken("the body is too long"));
        }
    }
}

fn head(status: u16, headers: &BTreeMap<String, String>) -> String {
    // The reason is for people alone: one word does.
    let word = if status < 400 { "OK" } else { "Error" };
    let first = format!("HTTP/1.1 {status} {word}\r\n");
    headers.iter().fold(first, |head, (name, value)| head + name + ": " + value + "\r\n")
}

/// Writes a document.
pub(super) fn write_json(
    to: &mut impl Write,
    status: u16,
    headers: &BTreeMap<String, String>,
    body: &Value,
) -> io::Result<()> {
    let body = body.to_string();
    let head = head(status, headers);
    let length = body.len();
    let text = format!("{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
    to.write_all(text.as_bytes())
}

/// Writes an answer without a body.
pub(super) fn write_empty(to: &mut impl Write, status: u16) -> io::Result<()> {
    to.write_all(format!("{}content-length: 0\r\n\r\n", head(status, &BTreeMap::new())).as_bytes())
}

/// Begins a stream of events.
pub(super) fn begin_stream(to: &mut impl Write, headers: &BTreeMap<String, String>) -> io::Result<()> {
    let head = head(200, headers);
    let rest =
        "content-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";
    to.write_all(format!("{head}{rest}").as_bytes())
}

/// Writes one event of a stream.
pub(super) fn write_frame(to: &mut impl Write, frame: &Frame) -> io::Result<()> {
    let text = frame.wire();
    to.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())
}

/// Ends a stream.
pub(super) fn end_stream(to: &mut impl Write) -> io::Result<()> {
    to.write_all(b"0\r\n\r\n")
}

/// Makes the end of the connection a reset: the caller sees that it was cut.
pub(super) fn cut(stream: &TcpStream) {
    // Where the system refuses, the connection ends all the same.
    let _ = set_socket_linger(stream, Some(std::time::Duration::ZERO));
}
