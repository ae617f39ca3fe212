//! The diff of a story, with its cursor, its comments and the files that were looked at.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::diff::Kind;
use super::super::model::Model;
use super::super::page::{Loaded, Page, Review};
use super::ink::{cells, mark, put, put_right, set};

/// Columns of a line's number.
const NUMBER: u16 = 5;

/// Draws the tab.
pub(super) fn draw(model: &Model, page: &Page, area: Rect, buffer: &mut Buffer) {
    let look = model.look;
    let review = match &page.review {
        Loaded::Here(review) if !review.diff.rows.is_empty() => review,
        other => {
            let (text, style) = match other {
                Loaded::Failed(why) => (why.clone(), look.alert()),
                Loaded::Here(_) => ("Nothing ahead of base.".to_owned(), look.faint()),
                _ => ("reading…".to_owned(), look.faint()),
            };
            put(buffer, (area.x, area.y), area.width, &text, style);
            return;
        }
    };
    let (added, removed) = review.diff.size();
    let file = review.diff.rows[review.row].file;
    let path = review.diff.files.get(file).map_or("", |file| file.path.as_str());
    let size = format!("+{added} -{removed} in {}", crate::sys::text::count(review.diff.files.len(), "file"));
    let right = put_right(buffer, (area.right(), area.y), area.width / 2, &size, look.title());
    put(buffer, (area.x, area.y), right.saturating_sub(area.x + 2), path, look.title());
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    rows(model, page, review, body, buffer);
}

fn rows(model: &Model, page: &Page, review: &Review, area: Rect, buffer: &mut Buffer) {
    // The cursor stays in the middle third where it can.
    let height = usize::from(area.height);
    let top = review.row.saturating_sub(height / 2).min(review.diff.rows.len().saturating_sub(height));
    let mut y = area.y;
    for (at, row) in review.diff.rows.iter().enumerate().skip(top) {
        if y >= area.bottom() {
            break;
        }
        let (sign, style) = match row.kind {
            Kind::Added => ("+", model.look.added()),
            Kind::Removed => ("-", model.look.removed()),
            Kind::File => ("", model.look.title()),
            Kind::Hunk | Kind::Note => ("", model.look.faint()),
            Kind::Same => (" ", Style::new()),
        };
        if at == review.row {
            set(buffer, (area.x, y), if model.look.has_color() { "▌" } else { ">" }, model.look.title());
        }
        // No more of a line is read than there is room for.
        let text: String = row.text.chars().take(usize::from(area.width) * 4).collect();
        let text = text.replace('\t', "    ");
        if matches!(row.kind, Kind::Added | Kind::Removed) {
            buffer.set_style(Rect { x: area.x + 1, y, width: area.width - 1, height: 1 }, style);
        }
        let x = area.x + 1;
        if row.number > 0 {
            put_right(buffer, (x + NUMBER, y), NUMBER, &row.number.to_string(), model.look.faint());
            put(buffer, (x + NUMBER + 1, y), 1, sign, style);
            let room = area.width.saturating_sub(NUMBER + 4);
            put(buffer, (x + NUMBER + 2, y), room, &text, style);
        } else {
            let viewed = row.kind == Kind::File && review.viewed.contains(&row.file);
            let text = match (row.kind, review.diff.files.get(row.file)) {
                (Kind::File, Some(file)) => {
                    let mark = if viewed { "  ✓ viewed" } else { "" };
                    format!("{text}  +{} -{}{mark}", file.added, file.removed)
                }
                _ => text,
            };
            put(buffer, (x, y), area.width - 1, &text, style);
        }
        if let Some(find) = &page.find {
            let row = Rect { x, y, width: area.width - 1, height: 1 };
            mark(buffer, row, &find.text, model.look.hit());
        }
        y += 1;
        for (_, words) in review.comments.iter().filter(|(row, _)| *row == at) {
            if y < area.bottom() {
                let note = format!("● {}", words.replace('\n', " "));
                put(
                    buffer,
                    (x + NUMBER + 2, y),
                    area.width.saturating_sub(NUMBER + 4),
                    &note,
                    model.look.title(),
                );
                y += cells(1);
            }
        }
    }
}
