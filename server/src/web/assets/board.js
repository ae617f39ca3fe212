// The board: windows of columns kept whole by one question, and where one is on it.

import { $, $$, el, fragment, api, request, toast, fail, say, ages, morph, remember, closed } from './core.js';
import { press, lifted, liftKey, lift, move } from './drag.js';
import { does } from './acts.js';

export const STAGES = ['backlog', 'current', 'qa', 'merge', 'done', 'archived'];
export const NAMES = { backlog: 'Backlog', current: 'Current', qa: 'QA', merge: 'Merge', done: 'Done', archived: 'Archived' };
const FULL = ['current', 'qa', 'merge'];
const FIRST = 60, SPAN = 160, MARGIN = 40;

export const columns = new Map();
const versions = new Map();
let selected = null, lastNeeds = null, asking = null, again = false, filter = '', held = 0;
/** The board's element; none on another page. */
export let board = null;
let last = { title: 'storkit' };
export const summary = () => last;
const number = new Intl.NumberFormat('en');

/** While something of the board is in a hand or a menu, nothing of it changes. */
export function hold(by) {
  held += by;
  if (!held && again) sync();
}

/** Looks again, wherever one is. */
export const renew = () => (board ? sync() : document.dispatchEvent(new Event('refresh')));

// ---- building ----
export function show(main) {
  main.className = 'boarded';
  main.replaceChildren($('#t-board').content.cloneNode(true));
  board = $('.board', main);
  columns.clear(); versions.clear();
  filter = new URLSearchParams(location.search).get('q') ?? '';
  $('#filter').value = filter;
  for (const stage of STAGES) build(stage);
  pick(remember('column') ?? 'current');
  board.addEventListener('focusin', (event) => { const card = event.target.closest('.card'); if (card) selected = card.dataset.id; });
  board.addEventListener('pointerdown', press);
  const back = history.state?.board;
  if (back) { selected = back.selected; for (const [stage, want] of Object.entries(back.windows)) columns.get(stage).want = want; }
  return sync().then(() => {
    if (!back || !board) return;
    for (const [stage, top] of Object.entries(back.tops)) columns.get(stage).list.scrollTop = top;
    focus(find(selected));
  });
}

/** Keeps where one is, for coming back. */
export function leave() {
  if (!board) return;
  const tops = {}, windows = {};
  for (const [stage, { list, want }] of columns) { tops[stage] = list.scrollTop; windows[stage] = want; }
  history.replaceState({ ...history.state, board: { selected, tops, windows } }, '');
  board = null;
}

function build(stage) {
  const rail = stage === 'archived';
  const count = el('span'), needs = el('button', { type: 'button', hidden: true, onclick: () => nextNeed(1, column) });
  const pill = el('button', { type: 'button', class: 'pill', hidden: true, onclick: () => { list.scrollTop = 0; } });
  const list = el('ul', { class: 'list', role: 'list', 'aria-label': `${NAMES[stage]} stories` });
  const top = el('li', { class: 'pad', 'aria-hidden': true }), rest = el('li', { class: 'pad', 'aria-hidden': true });
  list.append(top, rest);
  const hint = el('p', { class: 'hint', hidden: true });
  const section = el('section', { class: `col${FULL.includes(stage) ? ' full' : ''}${rail ? ' rail' : ''}`, 'data-stage': stage, 'aria-label': NAMES[stage] },
    el('h2', {}, rail ? el('a', { href: '/archive' }, NAMES[stage]) : NAMES[stage], count, needs), hint, pill, list);
  const tab = el('button', { type: 'button', 'data-stage': stage, 'aria-pressed': 'false', onclick: () => pick(stage) }, `${NAMES[stage]} `, el('span'));
  // What is wanted of it is one thing, what is shown another: an answer may come after the next wish.
  const column = { stage, section, list, top, rest, count, needs, pill, hint, tab, want: { at: 0, n: rail ? 0 : FIRST }, at: 0, ids: [], total: 0, one: FULL.includes(stage) ? 150 : 102, news: 0 };
  list.addEventListener('scroll', () => scrolled(column), { passive: true });
  columns.set(stage, column);
  board.append(section);
  $('.tabs').append(tab);
}

export function pick(stage) {
  for (const column of columns.values()) {
    const is = column.stage === stage;
    column.section.classList.toggle('shown', is);
    column.tab.setAttribute('aria-pressed', String(is));
  }
  remember('column', stage);
  const column = columns.get(stage);
  if (stage === 'archived' && !column.want.n && matchMedia('(max-width:720px)').matches) { column.want = { at: 0, n: FIRST }; sync(); }
}

/** Asks for another window where the one that is wanted does not cover what is seen. */
function scrolled(column) {
  const { list, want, one, total } = column;
  if (!list.scrollTop) news(column, 0);
  const first = Math.floor(list.scrollTop / one), end = first + Math.ceil(list.clientHeight / one) + MARGIN / 2;
  if ((!want.at || first >= want.at + MARGIN / 2) && (want.at + want.n >= total || end <= want.at + want.n)) return;
  column.want = { at: Math.max(0, first - MARGIN), n: SPAN };
  sync();
}

function news(column, count) {
  column.news = count;
  column.pill.hidden = !count;
  column.pill.textContent = `${count} new ↑`;
}

// ---- keeping whole ----
/** Makes the page as the daemon's board is; several calls at once become one. */
export function sync() {
  if (held || closed.until) { again = true; return Promise.resolve(); }
  if (asking) { again = true; return asking; }
  asking = (async () => {
    do {
      again = false;
      const wanted = new Map(), windows = {}, of = board;
      if (board) for (const [stage, { want }] of columns) { wanted.set(stage, want); windows[stage] = [want.at, want.n]; }
      const answer = await api('/ui/sync', { method: 'POST', json: { q: board ? filter : '', windows, known: board ? Object.fromEntries(versions) : {} } });
      head(answer);
      // What was asked for another board, or before something was taken into the hand, is asked again.
      if (of !== board || held) again = true;
      else if (board) apply(answer, wanted);
    } while (again && !held);
  })().catch(fail).finally(() => { asking = null; });
  return asking;
}

function apply(answer, wanted) {
  const focused = document.activeElement?.closest?.('.card');
  const place = focused && { stage: focused.dataset.stage, id: focused.dataset.id, at: columns.get(focused.dataset.stage).ids.indexOf(focused.dataset.id), what: document.activeElement.dataset.do };
  // All is measured before anything changes, and put right after everything has.
  const marks = answer.columns.map((fresh) => mark(columns.get(fresh.stage), fresh));
  const here = new Set(answer.columns.flatMap((column) => column.ids));
  for (const card of $$('.card', board)) if (!here.has(card.dataset.id)) { card.remove(); versions.delete(card.dataset.id); }
  for (const fresh of answer.columns) fill(columns.get(fresh.stage), fresh, answer.cards, wanted.get(fresh.stage));
  ages(board);
  marks.forEach(settle);
  rove();
  // A card that moved by a machine's hand leaves the focus where it was; a person's own move takes it along.
  if (place && document.activeElement === document.body) {
    const card = find(place.id);
    const { ids } = columns.get(place.stage);
    focus(card && (card.dataset.stage === place.stage || own === place.id) ? card : find(ids[Math.min(place.at, ids.length - 1)]), place.what);
  }
  own = null;
}
/** The story that a person moves: the focus goes with it. */
let own = null;
export const follow = (id) => { own = id; };

/** What is seen first in a column and stays, and where it stands. */
function mark(column, fresh) {
  const { list, at, ids } = column, stays = new Set(fresh.ids), top = list.scrollTop;
  const anchor = top > 0 && $$('.card', list).find((card) => card.offsetTop + card.offsetHeight > top && stays.has(card.dataset.id));
  return { column, top, anchor, from: anchor && anchor.offsetTop, rank: anchor && at + ids.indexOf(anchor.dataset.id) };
}

function settle({ column, top, anchor, from, rank }) {
  const { list } = column;
  const to = anchor ? top + anchor.offsetTop - from : top;
  if (Math.abs(list.scrollTop - to) > 1) list.scrollTop = to;
  if (anchor) news(column, Math.max(0, column.news + column.at + column.ids.indexOf(anchor.dataset.id) - rank));
}

function fill(column, fresh, cards, wanted) {
  const { list } = column;
  if (column.want === wanted && fresh.at !== wanted.at) column.want = { at: fresh.at, n: wanted.n };
  Object.assign(column, { at: fresh.at, ids: fresh.ids, total: fresh.count });
  let node = column.top.nextSibling;
  for (const id of fresh.ids) {
    let card = find(id);
    const made = cards[id] && fragment(cards[id][1]).firstElementChild;
    if (!card) { card = made; list.insertBefore(card, node); } else {
      if (card !== node) (list.moveBefore && card.parentNode?.isConnected ? list.moveBefore(card, node) : list.insertBefore(card, node));
      if (made) morph(card, made);
    }
    if (cards[id]) versions.set(id, cards[id][0]);
    node = card.nextSibling;
  }
  const seen = $('.card', list)?.getBoundingClientRect().height;
  if (seen) column.one = seen + 6;
  column.top.style.height = `${column.at * column.one}px`;
  column.rest.style.height = `${Math.max(0, column.total - column.at - column.ids.length) * column.one}px`;
  const words = number.format(column.total);
  if (column.count.textContent !== words) column.count.textContent = words;
  column.tab.lastChild.textContent = words;
  column.needs.hidden = !fresh.needs;
  column.needs.textContent = fresh.needs === 1 ? '1 needs you' : `${fresh.needs} need you`;
  column.hint.hidden = column.total > 0;
  if (!column.total) column.hint.textContent = filter ? 'Nothing matches the filter.' : column.stage === 'backlog' ? 'No stories. Press c, or save a .md file in .storkit/work/1_backlog/.' : column.stage === 'current' ? 'Empty. Move a story here, and an agent begins.' : 'Empty.';
}

function head(answer) {
  last = answer;
  const text = (id, words) => { const node = $(id); if (node.textContent !== words) node.textContent = words; };
  text('#project', answer.project); text('#n-queue', String(answer.queue || '')); text('#n-agents', answer.agents);
  text('#n-problems', String(answer.problems || '')); $('#n-problems').classList.toggle('some', answer.problems > 0);
  text('#spent', answer.spent); text('#needs', String(answer.needs)); text('#b-needs', String(answer.needs));
  const strip = el('div'); strip.append(fragment(answer.strip));
  const old = $('#strip');
  if (old.innerHTML !== strip.innerHTML) { const at = old.scrollLeft; old.replaceChildren(...strip.childNodes); old.scrollLeft = at; }
  const notice = $('#notice');
  const why = answer.paused && `Nothing new starts: ${answer.paused}`;
  notice.hidden = !why;
  if (why && notice.dataset.why !== why) notice.replaceChildren(`${why} `, el('button', { type: 'button', class: 'btn', onclick: () => request({ do: 'resume', agent: null }).then(sync) }, 'Resume'));
  notice.dataset.why = why ?? '';
  title();
  const icon = $('link[rel=icon]'), file = answer.needs ? '/assets/icon-dot.svg' : '/assets/icon.svg';
  if (icon.getAttribute('href') !== file) icon.setAttribute('href', file);
  const ids = new Set(needing().map((need) => need.dataset.id));
  if (lastNeeds) for (const need of needing()) if (!lastNeeds.has(need.dataset.id)) say(`${$('.t', need).textContent}: ${$('u', need).textContent}.`);
  lastNeeds = ids;
  beside();
}

const needing = () => $$('#strip .need');
/** On a story's page: the ones before and after it among what needs a person. */
function beside() {
  const nav = $('#main .beside');
  if (!nav) return;
  const { id } = nav.closest('[data-id]').dataset;
  const all = needing(), at = all.findIndex((need) => need.dataset.id === id);
  const others = all.filter((need) => need.dataset.id !== id);
  nav.hidden = !others.length;
  if (!others.length) return;
  const [before, after] = $$('a', nav);
  before.hidden = others.length < 2;
  before.href = (all[at - 1] ?? others.at(-1)).href;
  after.href = (all[at + 1] ?? others[0]).href;
}

export function title(page) {
  if (page) head.page = page;
  const words = [head.page, last.project ?? ''].filter(Boolean).join(' · ');
  document.title = `${last.needs ? `(${last.needs}) ` : ''}${words} — storkit`;
}

// ---- finding and focus ----
export const find = (id) => (id == null ? null : document.getElementById(`c-${id}`));
function focus(card, what) {
  if (!card) return;
  const target = (what && $(`[data-do="${what}"]`, card)) || $('h3 a', card);
  selected = card.dataset.id;
  rove();
  target.focus({ preventScroll: true });
  card.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}
/** One tab stop a column: the card that was selected last there, else its first. */
function rove() {
  for (const column of columns.values()) {
    const cards = $$('.card', column.list);
    const chosen = cards.find((card) => card.dataset.id === selected) ?? cards.find((card) => card.dataset.id === column.stop) ?? cards[0];
    if (chosen) column.stop = chosen.dataset.id;
    for (const card of cards) for (const part of $$('a,button', card)) {
      const stop = card === chosen ? 0 : -1;
      if (part.tabIndex !== stop) part.tabIndex = stop;
    }
  }
}
/** The story that is meant: the focused card, the one last selected, or the one whose page this is. */
export const current = () => document.activeElement?.closest?.('.card') ?? find(selected) ?? $('#main > [data-state]');

export function nextNeed(step, column) {
  const link = $(`#main .beside:not([hidden]) [rel=${step > 0 ? 'next' : 'prev'}]`);
  if (link) { link.click(); return; }
  const needs = column ? $$('.card.needs', column.list).map((card) => card.dataset.id) : needing().map((need) => need.dataset.id);
  if (!needs.length) { toast('Nothing needs you.'); return; }
  const at = needs.indexOf(selected);
  const id = needs[(at + step + needs.length) % needs.length];
  const card = find(id);
  if (card) { if (getComputedStyle(card.closest('.col')).display === 'none') pick(card.dataset.stage); focus(card); } else $(`#strip [data-id="${CSS.escape(id)}"]`).focus();
}

// ---- keys ----
export function key(event) {
  const name = event.key;
  if (lifted()) return liftKey(name);
  const card = document.activeElement?.closest?.('.card') ?? find(selected);
  const cards = card ? $$('.card', card.closest('.list')) : [];
  const at = cards.indexOf(card);
  const first = () => [...columns.values()].map((column) => $('.card', column.list)).find(Boolean);
  const beside = (step) => {
    if (!card) return first();
    const seen = [...columns.values()].filter((column) => $('.card', column.list));
    const next = seen[seen.findIndex((column) => column.stage === card.dataset.stage) + step];
    if (!next) return null;
    if (getComputedStyle(next.section).display === 'none') pick(next.stage);
    const far = (one) => Math.abs(one.getBoundingClientRect().top - card.getBoundingClientRect().top);
    return $$('.card', next.list).reduce((best, one) => (far(one) < far(best) ? one : best));
  };
  const page = Math.max(1, Math.floor((card?.closest('.list').clientHeight ?? 0) / 150));
  const down = () => (card ? cards[at + 1] : first()), up = () => cards[at - 1], end = () => cards.at(-1);
  const go = {
    ArrowDown: down, j: down, ArrowUp: up, k: up, ArrowLeft: () => beside(-1), h: () => beside(-1), ArrowRight: () => beside(1), l: () => beside(1),
    Home: () => cards[0], End: end, G: end, PageDown: () => cards[Math.min(cards.length - 1, at + page)], PageUp: () => cards[Math.max(0, at - page)],
  };
  if (event.shiftKey && /^Arrow(Left|Right)$/.test(name) || name === 'H' || name === 'L') {
    const to = card && STAGES[STAGES.indexOf(card.dataset.stage) + (name === 'H' || name === 'ArrowLeft' ? -1 : 1)];
    if (to) move(card, to);
    return true;
  }
  if (go[name]) { focus(go[name]()); return true; }
  if (!card || (event.target.closest('button') && name === ' ')) return false;
  if (name !== ' ') return does(card, name);
  lift(card);
  return true;
}

export function narrow(text) {
  filter = text;
  for (const column of columns.values()) { column.want = { at: 0, n: column.want.n }; column.list.scrollTop = 0; news(column, 0); }
  const url = new URL(location.href);
  if (text) url.searchParams.set('q', text); else url.searchParams.delete('q');
  history.replaceState(history.state, '', url);
  return sync();
}
