// Moving a card: by pointer, lifted by keys, or at once.

import { $, $$, el, request, say } from './core.js';
import { board, columns, follow, find, hold, sync, renew, STAGES, NAMES } from './board.js';

const EFFECT = {
  backlog: (card) => (card.dataset.agent && /running|preparing|gating/.test(card.dataset.state) ? `stops ${card.dataset.agent}, keeps its worktree` : 'nothing runs there'),
  current: () => 'starts when a coder is free', qa: () => 'waits for review', merge: () => 'skips review, lands after gates',
  done: () => 'closes it; commits stay on its branch', archived: () => 'hides it',
};

export async function move(card, to) {
  const { id, stage: from, label } = card.dataset;
  if (from === to) return;
  card.classList.add('moving');
  const back = () => request({ do: 'move', story: id, to: from }).then(sync);
  if (await request({ do: 'move', story: id, to }, { undo: back })) say(`${label} moved to ${NAMES[to]}.`);
  follow(id);
  await renew();
  find(id)?.classList.remove('moving');
}

// ---- a card in the hand ----
let hand = null;
export const lifted = () => hand !== null;
function begin(card) {
  hand = { card, to: card.dataset.stage };
  hold(1);
  card.classList.add('lifted');
}
function aim(stage) {
  if (hand.to === stage) return;
  hand.to = stage;
  for (const column of columns.values()) {
    const is = column.stage === stage && stage !== hand.card.dataset.stage;
    column.section.classList.toggle('target', is);
    $('.what', column.section)?.remove();
    if (is) column.section.append(el('p', { class: 'what', 'aria-hidden': true }, EFFECT[stage](hand.card)));
  }
}
function end(drop) {
  if (!hand) return;
  const { card, to, ghost } = hand;
  aim(card.dataset.stage);
  for (const what of $$('.what', board)) what.remove();
  card.classList.remove('lifted');
  ghost?.remove();
  hand = null;
  if (drop) move(card, to);
  hold(-1);
}

// ---- by pointer ----
export function press(event) {
  const card = event.target.closest('.card');
  if (!card || event.button !== 0 || event.target.closest('button') || !event.isPrimary) return;
  const { clientX: x, clientY: y, pointerId, pointerType } = event;
  const box = card.getBoundingClientRect();
  const touch = pointerType === 'touch';
  let timer = touch ? setTimeout(start, 350) : null;
  let frame = 0;
  function start() {
    timer = null;
    begin(card);
    const ghost = card.cloneNode(true);
    ghost.removeAttribute('id');
    ghost.classList.add('ghost');
    for (const key of ['left', 'top', 'width']) ghost.style[key] = `${box[key]}px`;
    document.body.append(ghost);
    hand.ghost = ghost;
    board.setPointerCapture?.(pointerId);
    getSelection().removeAllRanges();
  }
  const moved = (at) => {
    if (at.pointerId !== pointerId) return;
    const far = Math.hypot(at.clientX - x, at.clientY - y);
    if (!hand) {
      if (touch && far > 10) stop();
      else if (!touch && far > 6) start();
      if (!hand) return;
    }
    at.preventDefault();
    hand.ghost.style.transform = `translate(${at.clientX - x}px,${at.clientY - y}px)`;
    const under = [...columns.values()].find(({ section }) => { const r = section.getBoundingClientRect(); return r.width && at.clientX >= r.left && at.clientX <= r.right; });
    if (under) aim(under.stage);
    cancelAnimationFrame(frame);
    const edge = () => {
      if (!hand) return;
      const r = board.getBoundingClientRect();
      const push = at.clientX > r.right - 40 ? 12 : at.clientX < r.left + 40 ? -12 : 0;
      if (push) { board.scrollLeft += push; frame = requestAnimationFrame(edge); }
    };
    edge();
  };
  // The click that ends a drag opens nothing; one that comes later is a person's own.
  const swallow = () => {
    const eat = (click) => { click.preventDefault(); click.stopPropagation(); };
    addEventListener('click', eat, { capture: true, once: true });
    setTimeout(() => removeEventListener('click', eat, true), 50);
  };
  const up = (at) => { if (at.pointerId === pointerId) { if (hand) swallow(); stop(); end(true); } };
  const cancel = () => { stop(); end(false); };
  const escape = (key) => { if (key.key === 'Escape' && hand) { key.stopPropagation(); cancel(); } };
  const still = (at) => { if (hand) at.preventDefault(); };
  const listening = new AbortController();
  const { signal } = listening;
  function stop() { clearTimeout(timer); listening.abort(); }
  addEventListener('pointermove', moved, { signal }); addEventListener('pointerup', up, { signal }); addEventListener('pointercancel', cancel, { signal });
  addEventListener('keydown', escape, { signal, capture: true }); addEventListener('touchmove', still, { signal, passive: false });
  card.addEventListener('dragstart', (at) => at.preventDefault(), { signal });
}

// ---- by keys ----
export function lift(card) {
  begin(card);
  say(`${card.dataset.label} ${$('h3', card).textContent} lifted. ${NAMES[card.dataset.stage]}, column ${STAGES.indexOf(card.dataset.stage) + 1} of 6.`);
}

/** A key while a card is lifted, with words for who does not see where it goes. */
export function liftKey(name) {
  const at = STAGES.indexOf(hand.to), { card } = hand;
  const left = STAGES[Math.max(0, at - 1)], right = STAGES[Math.min(5, at + 1)];
  const to = { ArrowLeft: left, h: left, ArrowRight: right, l: right, Home: 'backlog', End: 'archived' }[name];
  if (to) {
    aim(to);
    const column = columns.get(to);
    column.section.scrollIntoView({ inline: 'nearest', block: 'nearest' });
    const what = to === card.dataset.stage ? 'It is here now' : EFFECT[to](card);
    say(`${NAMES[to]}, column ${STAGES.indexOf(to) + 1} of 6, ${column.total} stories. ${what[0].toUpperCase()}${what.slice(1)}.`);
  } else if (name === ' ' || name === 'Enter') end(true);
  else if (name === 'Escape') { end(false); say(`Cancelled, ${card.dataset.label} stays in ${NAMES[card.dataset.stage]}.`); } else return false;
  return true;
}
