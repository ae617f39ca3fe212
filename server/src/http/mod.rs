//! The HTTP API on the daemon's Unix socket and on TCP, and the client that the command line uses.
//!
//! A face: it hands requests to a [`Service`] and shows what comes back. It knows no board, no git and no state.

pub mod client;
mod events;
mod guard;
mod mcp_stream;
mod pages;
mod problem;
mod routes;
mod server;
mod service;
mod socket;
mod table;
mod terminal;
mod tokens;
mod ui;
mod ui_cards;
mod ui_screen;
mod ui_story;
mod watch_terminal;

pub use events::{EventLine, Hub, Subscription};
pub use pages::{Pages, Printed, Save, Saved, Work};
pub use server::{Server, ServerError, TcpServer};
pub use service::Service;
pub use socket::{SOCKET, SocketError};
pub use terminal::{Live, Shown, Terminal, Typed};
pub use tokens::{RunToken, Tokens};
pub use watch_terminal::{Keyboard, Keys, WatchEnd, keyboard};

#[cfg(test)]
mod tests;
