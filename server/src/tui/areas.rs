//! Where everything stands on the screen: one pure function of the size, used for drawing and for the mouse.

use ratatui::layout::Rect;
use storkit_core::stage::Stage;

use super::cards::CARD_ROWS;
use super::model::{Model, index};

/// Fewer columns or rows than these, and nothing but one line is shown.
pub(super) const SMALLEST: (u16, u16) = (40, 10);
/// From so many columns on, a story's page stands beside the board.
pub(super) const BESIDE_FROM: u16 = 160;
/// From so many columns on, the strip of needs stands in the head line.
const ONE_HEAD_FROM: u16 = 160;
/// A column of the board is no narrower.
const COLUMN_WIDTH_MIN: u16 = 26;
/// The detail gets a pane with the live output beside it from this size on.
const LIVE_FROM: (u16, u16) = (110, 30);

/// The places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Areas {
    /// Project, agents, money, connection.
    pub(super) head: Rect,
    /// What needs a person; empty where it stands in the head.
    pub(super) needs: Rect,
    /// All stages, where not all have a column.
    pub(super) tabs: Rect,
    /// The box of columns and detail, with its borders.
    pub(super) board: Rect,
    /// The columns that are shown, without borders.
    pub(super) columns: Vec<(Stage, Rect)>,
    /// The selected story; empty where there is no room.
    pub(super) detail: Rect,
    /// Its terminal; empty where there is no room.
    pub(super) live: Rect,
    /// A story's page, where one is open.
    pub(super) page: Rect,
    /// What happened.
    pub(super) message: Rect,
    /// The keys.
    pub(super) footer: Rect,
}

impl Areas {
    /// The places on the model's screen.
    pub(super) fn of(model: &Model) -> Self {
        let (width, height) = model.size;
        let line = |y: u16| Rect::new(0, y, width, 1);
        let (message, footer) = (line(height.saturating_sub(2)), line(height.saturating_sub(1)));
        let mut areas = Self { head: line(0), message, footer, ..Self::default() };
        let mut top = 1;
        if width < ONE_HEAD_FROM {
            areas.needs = line(top);
            top += 1;
        }
        let rest = Rect::new(0, top, width, height.saturating_sub(top + 2));
        if model.page.is_some() && model.is_page_whole() {
            areas.page = Rect::new(0, 1, width, height.saturating_sub(3));
            return areas;
        }
        if model.page.is_some() {
            let side = (width * 9 / 20).max(70);
            areas.page = Rect::new(width - side, rest.y, side, rest.height);
            areas.lay_board(Rect { width: width - side, ..rest }, model);
        } else {
            areas.lay_board(rest, model);
        }
        areas
    }

    fn lay_board(&mut self, mut rest: Rect, model: &Model) {
        let count = (rest.width / COLUMN_WIDTH_MIN).clamp(1, 6);
        if count < 6 {
            self.tabs = Rect { height: 1, ..rest };
            rest = Rect { y: rest.y + 1, height: rest.height.saturating_sub(1), ..rest };
        }
        self.board = rest;
        let detail = match model.size.1 {
            36.. => 9,
            30.. => 6,
            20.. => 4,
            _ => 0,
        };
        let inner =
            Rect::new(rest.x + 1, rest.y + 1, rest.width.saturating_sub(2), rest.height.saturating_sub(2));
        let below = if detail > 0 { detail + 1 } else { 0 };
        let cards = Rect { height: inner.height.saturating_sub(below), ..inner };
        self.detail = Rect { y: cards.bottom() + 1, height: detail, ..inner };
        if model.page.is_none() && rest.width >= LIVE_FROM.0 && model.size.1 >= LIVE_FROM.1 {
            let left = inner.width / 2;
            self.live = Rect { x: inner.x + left + 1, width: inner.width - left - 1, ..self.detail };
            self.detail.width = left;
        }
        // The selected column is the second one where there are several.
        let before = usize::from(count > 1);
        let first = index(model.stage).saturating_sub(before).min(6 - usize::from(count));
        let room = cards.width.saturating_sub(count - 1);
        let mut x = cards.x;
        for n in 0..count {
            let width = room / count + u16::from(n < room % count);
            self.columns.push((Stage::ALL[first + usize::from(n)], Rect { x, width, ..cards }));
            x += width + 1;
        }
    }

    /// How many cards fit into a column that holds so many; a column with more keeps a row to say so.
    pub(super) fn fits(&self, cards: usize) -> usize {
        let rows = self.columns.first().map_or(0, |(_, area)| area.height);
        let all = usize::from(rows / CARD_ROWS);
        if cards <= all { all } else { usize::from(rows.saturating_sub(1) / CARD_ROWS) }
    }

    /// The stage whose column is there.
    pub(super) fn stage_at(&self, x: u16, y: u16) -> Option<Stage> {
        let inside = |area: &Rect| {
            (area.x.saturating_sub(1)..=area.right()).contains(&x)
                && (area.y.saturating_sub(1)..=area.bottom()).contains(&y)
        };
        self.columns.iter().find(|(_, area)| inside(area)).map(|(stage, _)| *stage)
    }
}
