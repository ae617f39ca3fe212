//! Draws the model into a buffer, and says what stands where for the mouse. Changes nothing.

mod board;
mod detail;
mod foot;
mod head;
mod ink;
mod over;
mod page;
mod review;

use ratatui::buffer::Buffer;

pub(super) use detail::question;
pub(super) use foot::footer_at;
pub(super) use head::{need_at, tab_at};
pub(super) use over::menu_row_at;
pub(super) use page::{body as page_body, row_at as page_row_at};

use super::areas::{Areas, SMALLEST};
use super::look;
use super::model::Model;

/// Draws everything; gives the place of the cursor where something is typed.
pub(super) fn draw(model: &Model, buffer: &mut Buffer) -> Option<(u16, u16)> {
    let (width, height) = model.size;
    if width < SMALLEST.0 || height < SMALLEST.1 {
        let needs = model.needs().len();
        let text = format!("storkit needs {}x{}; {needs} need you", SMALLEST.0, SMALLEST.1);
        ink::put(buffer, (0, 0), width, &text, model.look.title());
        return None;
    }
    let areas = Areas::of(model);
    head::draw(model, &areas, buffer);
    if areas.board.height > 0 {
        board::draw(model, &areas, buffer);
    }
    if areas.page.height > 0 {
        page::draw(model, areas.page, buffer);
    }
    let typed = foot::draw(model, &areas, buffer);
    let searched = over::draw(model, buffer);
    model.look.paint_ground(buffer);
    if model.look.ascii {
        look::to_ascii(buffer);
    }
    typed.or(searched)
}
