//! The HTTP API on the daemon's Unix socket, and the client that the command line uses.
//!
//! A face: it hands requests to a [`Service`] and shows what comes back. It knows no board, no git and no state.

pub mod client;
mod events;
mod problem;
mod routes;
mod server;
mod service;
mod socket;
mod terminal;
mod watch_terminal;

pub use events::{EventLine, Hub, Subscription};
pub use server::{Server, ServerError};
pub use service::Service;
pub use socket::{SOCKET, SocketError};
pub use terminal::{Live, Shown, Terminal, Typed};
pub use watch_terminal::{Keyboard, Keys, WatchEnd, keyboard};

#[cfg(test)]
mod tests;
