//! What stories wait for: their dependencies, found on the board, and the cycles among them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::board::{Board, Named};
use crate::ids::StoryId;
use crate::story::Story;

/// The cycles of the board: each story that is in one, and the cycle written out from it.
pub type Cycles = BTreeMap<StoryId, Arc<[StoryId]>>;

/// The stories that `story` names in `depends_on` and that exist.
pub fn dependencies(board: &Board, story: &Story) -> Vec<StoryId> {
    let named = story.depends_on.iter().map(|dependency| board.named(&dependency.value));
    named.filter_map(|named| if let Named::One(id) = named { Some(id) } else { None }).collect()
}

/// All cycles among the stories that are not closed.
pub fn cycles(board: &Board) -> Cycles {
    let open = board.stories().filter(|story| !story.depends_on.is_empty() && !story.stage.is_closed());
    let edges: BTreeMap<StoryId, Vec<StoryId>> =
        open.map(|story| (story.id.clone(), dependencies(board, story))).collect();
    let mut found = Cycles::new();
    for start in edges.keys() {
        if !found.contains_key(start)
            && let Some(cycle) = cycle_through(start, &edges)
        {
            for at in 0..cycle.len() {
                let turned: Vec<_> = cycle[at..].iter().chain(&cycle[..at]).cloned().collect();
                found.entry(cycle[at].clone()).or_insert_with(|| turned.into());
            }
        }
    }
    found
}

/// The shortest way from `start` back to itself.
fn cycle_through(start: &StoryId, edges: &BTreeMap<StoryId, Vec<StoryId>>) -> Option<Vec<StoryId>> {
    let mut came_from: BTreeMap<&StoryId, &StoryId> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for next in edges.get(at).into_iter().flatten() {
            if next == start {
                let mut way = vec![at.clone()];
                let mut step = at;
                while let Some(before) = came_from.get(step) {
                    way.push((*before).clone());
                    step = before;
                }
                way.reverse();
                return Some(way);
            }
            if edges.contains_key(next) && !came_from.contains_key(next) {
                came_from.insert(next, at);
                queue.push_back(next);
            }
        }
    }
    None
}

/// A cycle in words: `a → b → a`.
pub fn written_out(cycle: &[StoryId]) -> String {
    let names = cycle.iter().chain(cycle.first()).map(StoryId::as_str);
    names.collect::<Vec<_>>().join(" → ")
}
