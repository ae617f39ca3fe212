//! The HTTP API on the daemon's Unix socket and on TCP, and the client that the command line uses.
//!
//! A face: it hands requests to a [`Service`] and shows what comes back. It knows no board, no git and no state.

mod acts;
pub mod client;
mod events;
mod guard;
mod idempotency;
mod looks;
mod mcp_stream;
mod metrics;
mod openapi;
mod page;
mod pages;
mod patch;
mod patient;
mod problem;
mod read;
mod routes;
mod server;
mod service;
mod socket;
mod stories;
mod streams;
mod table;
mod terminal;
mod tokens;
mod ui;
mod ui_acts;
mod ui_cards;
mod ui_log;
mod ui_screen;
mod ui_story;
mod watch_terminal;

pub use events::{CHANGED, EventLine, Hub, Subscription, Tally};
pub use pages::{Compare, Found, Left, LogAt, Pages, Printed, Save, Saved, Work};
pub use server::{Server, ServerError, TcpServer};
pub use service::Service;
pub use socket::{SOCKET, SocketError};
pub use terminal::{Live, Shown, Terminal, Typed};
pub use tokens::{RunToken, Tokens};
pub use watch_terminal::{Keyboard, Keys, WatchEnd, keyboard};

#[cfg(test)]
mod tests;
