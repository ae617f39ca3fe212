//! The command line's side of a run's terminal: a WebSocket over the daemon's socket.

use futures_util::{SinkExt, StreamExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::client::ClientError;
use super::{Shown, Typed};

/// Frames of a keyboard that wait; one that types faster waits itself.
const WAITING_MAX: usize = 256;

/// How watching a terminal came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchEnd {
    /// The run is over.
    Over,
    /// The keyboard was dropped.
    Detached,
    /// The daemon has gone.
    Gone,
}

/// Where frames to the terminal go in; dropped, the watching ends.
#[derive(Debug)]
pub struct Keyboard(mpsc::Sender<Typed>);

/// Where they come out.
#[derive(Debug)]
pub struct Keys(mpsc::Receiver<Typed>);

/// Both ends of a keyboard.
pub fn keyboard() -> (Keyboard, Keys) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    (Keyboard(sender), Keys(receiver))
}

impl Keyboard {
    /// Sends a frame; false when nobody watches any more. Not for use in the runtime.
    pub fn send(&self, typed: Typed) -> bool {
        self.0.blocking_send(typed).is_ok()
    }
}

/// Watches the terminal of a run until it is over, the keyboard dropped, or the daemon gone.
pub(super) async fn watch(
    stream: UnixStream,
    run: &str,
    mut keys: Keys,
    show: &mut dyn FnMut(Shown),
) -> Result<WatchEnd, ClientError> {
    let request = format!("ws://storkit/api/v1/runs/{run}/terminal").into_client_request();
    let (mut socket, _) =
        tokio_tungstenite::client_async(request.map_err(broken)?, stream).await.map_err(broken)?;
    loop {
        tokio::select! {
            typed = keys.0.recv() => match typed {
                Some(typed) if !send(&mut socket, &typed).await => return Ok(WatchEnd::Gone),
                Some(_) => {}
                None => return Ok(WatchEnd::Detached),
            },
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                    Ok(Shown::Over) => return Ok(WatchEnd::Over),
                    Ok(shown) => show(shown),
                    // A frame that only a newer daemon knows.
                    Err(_) => {}
                },
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(WatchEnd::Gone),
                Some(Ok(_)) => {}
            },
        }
    }
}

async fn send(socket: &mut WebSocketStream<UnixStream>, typed: &Typed) -> bool {
    let Ok(text) = serde_json::to_string(typed) else { return false };
    socket.send(Message::Text(text.into())).await.is_ok()
}

fn broken(error: Error) -> ClientError {
    match error {
        Error::Http(answer) => ClientError::Broken(format!("it answered {}", answer.status())),
        error => ClientError::Broken(error.to_string()),
    }
}
