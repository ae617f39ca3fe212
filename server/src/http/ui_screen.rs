//! A run's terminal for a page: rows that changed, as an event stream, at most twenty times a second.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use tokio_stream::Stream;

use super::problem::Problem;
use super::routes::{Answer, App};
use super::streams::KEEP_ALIVE;
use super::terminal::Reader;
use super::{Service, Shown, Terminal};
use crate::web::Screen;

/// How often the screen is looked at: the newest wins.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The events `screen`, each a change of it, and at the end `over`.
pub(super) async fn screen<S: Service>(State(service): App<S>, Path(run): Path<String>) -> Answer {
    let missing = || Problem::new(StatusCode::NOT_FOUND, "no such run");
    let terminal = service.terminal(run).await.ok_or_else(missing)?;
    Ok(Sse::new(changes(terminal)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

struct Watch {
    terminal: Terminal,
    reader: Reader,
    screen: Screen,
    ended: bool,
}

fn changes(terminal: Terminal) -> impl Stream<Item = Result<Event, Infallible>> {
    let watch = Watch { terminal, reader: Reader::default(), screen: Screen::default(), ended: false };
    futures_util::stream::unfold(watch, async |mut watch| {
        let event = watch.next().await?;
        Some((Ok(event), watch))
    })
}

impl Watch {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.ended {
                return None;
            }
            // Asked before the look, so that what came last is not missed.
            let over = self.terminal.is_over();
            while let Some(shown) = self.reader.next(&self.terminal).await {
                for shown in shown {
                    match shown {
                        Shown::Out(text) => self.screen.feed(&text),
                        Shown::Size(columns, rows) => self.screen.resize(columns, rows),
                        Shown::Writer(_) | Shown::Over => {}
                    }
                }
            }
            if let Some(change) = self.screen.change() {
                return Event::default().event("screen").json_data(&change).ok();
            }
            if over {
                self.ended = true;
                return Some(Event::default().event("over").data("{}"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
