// The board: windows of columns kept whole by one question, moved by pointer, keys and menu.

import { $, $$, el, fragment, api, request, toast, fail, say, ages, morph, dialog, copy, remember, closed } from './core.js';

const STAGES = ['backlog', 'current', 'qa', 'merge', 'done', 'archived'];
export const NAMES = { backlog: 'Backlog', current: 'Current', qa: 'QA', merge: 'Merge', done: 'Done', archived: 'Archived' };
const FULL = ['current', 'qa', 'merge'];
const FIRST = 60, SPAN = 160, MARGIN = 40;
const EFFECT = {
  backlog: (card) => (card.dataset.agent && /running|preparing|gating/.test(card.dataset.state) ? `stops ${card.dataset.agent}, keeps its worktree` : 'nothing runs there'),
  current: () => 'starts when a coder is free', qa: () => 'waits for review', merge: () => 'skips review, lands after gates',
  done: () => 'closes it; commits stay on its branch', archived: () => 'hides it',
};

const columns = new Map();
const versions = new Map();
let board = null, selected = null, lastNeeds = null, asking = null, again = false, filter = '', held = 0, open = false;
let last = { title: 'storkit' };
export const summary = () => last;
const number = new Intl.NumberFormat('en');

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
  if (back) { selected = back.selected; for (const [stage, [at, n]] of Object.entries(back.windows ?? {})) Object.assign(columns.get(stage), { at, n }); }
  return sync().then(() => {
    if (!back) return;
    for (const [stage, top] of Object.entries(back.tops ?? {})) columns.get(stage).list.scrollTop = top;
    focus(find(selected));
  });
}

/** Keeps where one is, for coming back. */
export function leave() {
  if (!board) return;
  const tops = {}, windows = {};
  for (const [stage, column] of columns) { tops[stage] = column.list.scrollTop; windows[stage] = [column.at, column.n]; }
  history.replaceState({ ...history.state, board: { selected, tops, windows } }, '');
  board = null;
}

function build(stage) {
  const rail = stage === 'archived' && !open;
  const count = el('span', {}, ''), needs = el('button', { type: 'button', hidden: true });
  const name = rail ? el('a', { href: '/archive' }, NAMES[stage]) : NAMES[stage];
  const list = el('ul', { class: 'list', role: 'list', 'aria-label': `${NAMES[stage]} stories` });
  const top = el('li', { class: 'pad', 'aria-hidden': true }), rest = el('li', { class: 'pad', 'aria-hidden': true });
  list.append(top, rest);
  const hint = el('p', { class: 'hint', hidden: true });
  const section = el('section', { class: `col${FULL.includes(stage) ? ' full' : ''}${rail ? ' rail' : ''}`, 'data-stage': stage, 'aria-label': NAMES[stage] },
    el('h2', {}, name, count, needs), hint, list);
  const column = { stage, section, list, top, rest, count, needs, hint, at: 0, n: rail ? 0 : FIRST, ids: [], total: 0 };
  needs.addEventListener('click', () => nextNeed(1, column));
  list.addEventListener('scroll', () => scrolled(column), { passive: true });
  columns.set(stage, column);
  board.append(section);
  const tab = el('button', { type: 'button', 'data-stage': stage, 'aria-pressed': 'false', onclick: () => pick(stage) }, `${NAMES[stage]} `, el('span', {}));
  $('.tabs').append(tab);
  column.tab = tab;
}

function pick(stage) {
  for (const column of columns.values()) {
    const is = column.stage === stage;
    column.section.classList.toggle('shown', is);
    column.tab.setAttribute('aria-pressed', String(is));
  }
  remember('column', stage);
  const column = columns.get(stage);
  if (stage === 'archived' && !column.n && matchMedia('(max-width:720px)').matches) { column.n = FIRST; sync(); }
}

const height = (column) => { const card = $('.card', column.list); return card ? card.getBoundingClientRect().height + 6 : FULL.includes(column.stage) ? 150 : 102; };

/** Asks for another window where the one that is there does not cover what is seen. */
function scrolled(column) {
  const one = height(column);
  const first = Math.floor(column.list.scrollTop / one), seen = Math.ceil(column.list.clientHeight / one);
  const from = column.at, to = column.at + column.ids.length;
  if ((first >= from + MARGIN / 2 || from === 0) && (first + seen + MARGIN / 2 <= to || to >= column.total)) return;
  column.at = Math.max(0, first - MARGIN);
  column.n = SPAN;
  sync();
}

// ---- keeping whole ----
/** Makes the page as the daemon's board is; several calls at once become one. */
export function sync() {
  if (held || closed.until) { again = true; return Promise.resolve(); }
  if (asking) { again = true; return asking; }
  asking = (async () => {
    do {
      again = false;
      const windows = {}, known = {};
      if (board) {
        for (const [stage, { at, n }] of columns) windows[stage] = [at, n];
        for (const [id, version] of versions) known[id] = version;
      }
      apply(await api('/ui/sync', { method: 'POST', json: { q: board ? filter : '', windows, known } }));
    } while (again && !held);
  })().catch(fail).finally(() => { asking = null; });
  return asking;
}

function apply(answer) {
  last = answer;
  head(answer);
  if (!board) return;
  const focused = document.activeElement?.closest?.('.card');
  const place = focused && { stage: focused.dataset.stage, id: focused.dataset.id, at: columns.get(focused.dataset.stage)?.ids.indexOf(focused.dataset.id), what: document.activeElement.dataset.do ?? '' };
  const here = new Set(answer.columns.flatMap((column) => column.ids));
  for (const card of $$('.card', board)) if (!here.has(card.dataset.id)) { card.remove(); versions.delete(card.dataset.id); }
  for (const fresh of answer.columns) fill(columns.get(fresh.stage), fresh, answer.cards);
  ages(board);
  rove();
  // A card that moved by a machine's hand leaves the focus where it was; a person's own move takes it along.
  if (place && document.activeElement === document.body) {
    const card = find(place.id);
    const ids = columns.get(place.stage).ids;
    focus(card && (card.dataset.stage === place.stage || own === place.id) ? card : find(ids[Math.min(place.at, ids.length - 1)]), place.what);
  }
  own = null;
}
let own = null;

function fill(column, fresh, cards) {
  const { list } = column;
  const anchor = $$('.card', list).find((card) => card.offsetTop + card.offsetHeight > list.scrollTop && fresh.ids.includes(card.dataset.id));
  const offset = anchor && anchor.offsetTop - list.scrollTop;
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
  const one = height(column);
  column.top.style.height = `${column.at * one}px`;
  column.rest.style.height = `${Math.max(0, column.total - column.at - column.ids.length) * one}px`;
  if (anchor?.isConnected && column.at === fresh.at) {
    const moved = anchor.offsetTop - list.scrollTop - offset;
    if (Math.abs(moved) > 1 && list.scrollTop > 0) list.scrollTop += moved;
  }
  const words = number.format(column.total);
  if (column.count.textContent !== words) column.count.textContent = words;
  column.tab.lastChild.textContent = words;
  column.needs.hidden = !fresh.needs;
  column.needs.textContent = fresh.needs === 1 ? '1 needs you' : `${fresh.needs} need you`;
  column.hint.hidden = column.total > 0;
  if (!column.total) column.hint.textContent = filter ? 'Nothing matches the filter.' : column.stage === 'backlog' ? 'No stories. Press c, or save a .md file in .storkit/work/1_backlog/.' : 'Empty.';
}

function head(answer) {
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
  const ids = new Set($$('#strip .need').map((need) => need.dataset.id));
  if (lastNeeds) for (const need of $$('#strip .need')) if (!lastNeeds.has(need.dataset.id)) say(`${$('.t', need).textContent}: ${$('u', need).textContent}.`);
  lastNeeds = ids;
}

export function title(page) {
  if (page) head.page = page;
  const words = [head.page, last.project ?? ''].filter(Boolean).join(' · ');
  document.title = `${last.needs ? `(${last.needs}) ` : ''}${words} — storkit`;
}

// ---- finding and focus ----
const find = (id) => (id == null ? null : document.getElementById(`c-${id}`));
function focus(card, what = '') {
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
const current = () => document.activeElement?.closest?.('.card') ?? find(selected);
const naming = (card) => `${card.dataset.label} ${$('h3', card).textContent}`;

export function nextNeed(step, column) {
  const needs = column ? $$('.card.needs', column.list).map((card) => card.dataset.id) : $$('#strip .need').map((need) => need.dataset.id);
  if (!needs.length) { toast('Nothing needs you.'); return; }
  const at = needs.indexOf(selected);
  const id = needs[(at + step + needs.length) % needs.length];
  const card = find(id);
  if (card) { if (getComputedStyle(card.closest('.col')).display === 'none') pick(card.dataset.stage); focus(card); } else $(`#strip [data-id="${CSS.escape(id)}"]`).focus();
}

// ---- moving ----
export async function move(card, to) {
  const { id, stage: from, label } = card.dataset;
  if (from === to) return;
  own = id;
  card.classList.add('moving');
  const reply = await request({ do: 'move', story: id, to }, {
    undo: () => request({ do: 'move', story: id, to: from }).then(sync),
  });
  if (reply) say(`${label} moved to ${NAMES[to]}.`);
  own = id;
  await renew();
  find(id)?.classList.remove('moving');
}

let lift = null;
function begin(card) {
  lift = { card, to: card.dataset.stage };
  held += 1;
  card.classList.add('lifted');
}
function aim(stage) {
  if (!lift || lift.to === stage) return;
  lift.to = stage;
  for (const column of columns.values()) {
    const is = column.stage === stage && stage !== lift.card.dataset.stage;
    column.section.classList.toggle('target', is);
    $('.what', column.section)?.remove();
    if (is) column.section.append(el('p', { class: 'what', 'aria-hidden': true }, EFFECT[stage](lift.card)));
  }
}
function end(drop) {
  if (!lift) return;
  const { card, to } = lift;
  aim(card.dataset.stage);
  for (const what of $$('.what', board)) what.remove();
  card.classList.remove('lifted');
  lift.ghost?.remove();
  lift = null;
  held -= 1;
  if (drop && to !== card.dataset.stage) move(card, to);
  else if (again) sync();
}

function press(event) {
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
    for (const [key, value] of Object.entries({ left: box.left, top: box.top, width: box.width })) ghost.style[key] = `${value}px`;
    document.body.append(ghost);
    lift.ghost = ghost;
    board.setPointerCapture?.(pointerId);
    getSelection().removeAllRanges();
  }
  const moved = (at) => {
    if (at.pointerId !== pointerId) return;
    const far = Math.hypot(at.clientX - x, at.clientY - y);
    if (!lift) {
      if (touch && far > 10) stop();
      else if (!touch && far > 6) start();
      if (!lift) return;
    }
    at.preventDefault();
    lift.ghost.style.transform = `translate(${at.clientX - x}px,${at.clientY - y}px)`;
    const under = [...columns.values()].find(({ section }) => { const r = section.getBoundingClientRect(); return r.width && at.clientX >= r.left && at.clientX <= r.right; });
    if (under) aim(under.stage);
    cancelAnimationFrame(frame);
    const edge = () => {
      if (!lift) return;
      const r = board.getBoundingClientRect();
      const push = at.clientX > r.right - 40 ? 12 : at.clientX < r.left + 40 ? -12 : 0;
      if (push) { board.scrollLeft += push; frame = requestAnimationFrame(edge); }
    };
    edge();
  };
  const up = (at) => { if (at.pointerId === pointerId) { const was = Boolean(lift); stop(); end(true); if (was) swallow(); } };
  // The click that ends a drag opens nothing; one that comes later is a person's own.
  const swallow = () => {
    const eat = (click) => { click.preventDefault(); click.stopPropagation(); };
    addEventListener('click', eat, { capture: true, once: true });
    setTimeout(() => removeEventListener('click', eat, true), 50);
  };
  const cancel = () => { stop(); end(false); };
  const escape = (key) => { if (key.key === 'Escape' && lift) { key.stopPropagation(); cancel(); } };
  const still = (at) => { if (lift) at.preventDefault(); };
  const nodrag = (at) => at.preventDefault();
  function stop() {
    clearTimeout(timer);
    removeEventListener('pointermove', moved); removeEventListener('pointerup', up); removeEventListener('pointercancel', cancel);
    removeEventListener('keydown', escape, true); removeEventListener('touchmove', still); card.removeEventListener('dragstart', nodrag);
  }
  addEventListener('pointermove', moved); addEventListener('pointerup', up); addEventListener('pointercancel', cancel);
  addEventListener('keydown', escape, true); addEventListener('touchmove', still, { passive: false }); card.addEventListener('dragstart', nodrag);
}

/** Lifted by keys: where to, with words for who does not see it. */
function aimAt(stage) {
  aim(stage);
  const column = columns.get(stage);
  column.section.scrollIntoView({ inline: 'nearest', block: 'nearest' });
  const what = stage === lift.card.dataset.stage ? 'It is here now' : EFFECT[stage](lift.card);
  say(`${NAMES[stage]}, column ${STAGES.indexOf(stage) + 1} of 6, ${column.total} stories. ${what[0].toUpperCase()}${what.slice(1)}.`);
}

// ---- doing ----
/** Looks again, wherever one is. */
const renew = () => (board ? sync() : document.dispatchEvent(new Event('refresh')));
export async function act(card, what) {
  const { id, state } = card.dataset;
  const go = (path) => document.dispatchEvent(new CustomEvent('go', { detail: path }));
  if (what === 'menu' || what === 'move') return menu(card, what === 'move');
  if (what.startsWith('/')) return go(`/s/${id}${what}`);
  if (what === 'queue') return go('/queue');
  if (what === 'why') return why(id);
  if (what === 'answer') return answer(id);
  if (what === 'start') await request({ do: 'start', story: id, agent: null }, { undo: state === 'idle' ? () => request({ do: 'move', story: id, to: 'backlog' }).then(sync) : false });
  else if (what === 'hold') await request({ do: 'hold', story: id, why: null });
  else await request({ do: what, story: id });
  return renew();
}

export async function why(id) {
  try {
    const answer = await api(`/api/v1/stories/${encodeURIComponent(id)}/why`);
    const list = answer.conditions.map((one) => el('li', {}, el('span', { class: 'dim' }, one.what), el('div', {}, one.detail,
      one.path ? el('p', { class: 'mono dim' }, `${one.path}${one.line ? `:${one.line}` : ''}${one.key ? ` ${one.key}${one.value != null ? `: ${one.value}` : ''}` : ''}`) : '',
      one.hint ? el('p', {}, one.hint) : '')));
    const box = dialog(`Why ${id} stands`, [list.length ? el('ul', { class: 'entries' }, ...list) : el('p', {}, 'Nothing keeps it.'),
      el('p', { class: 'row' }, el('button', { class: 'btn', type: 'button', autofocus: true, onclick: () => box.close() }, 'Close'))], { drawer: true });
  } catch (error) { fail(error); }
}

/** Answers a question where one is. */
export async function answer(id) {
  let html;
  try { html = await api(`/ui/question/${encodeURIComponent(id)}`); } catch (error) { fail(error); return; }
  const box = dialog('Answer', [fragment(html)], { drawer: true });
  answering(box, id, () => box.close());
}

/** Makes an answer's form work: choices fill the field, the text is kept until it is sent. */
export function answering(root, id, done, focused = true) {
  const form = $('form[data-answer]', root);
  if (!form) return;
  const field = $('textarea', form), key = `answer-${id}`;
  field.value = remember(key) ?? '';
  field.addEventListener('input', () => remember(key, field.value));
  for (const choice of $$('[data-choice]', form)) choice.addEventListener('click', () => { field.value = choice.dataset.choice; remember(key, field.value); field.focus(); });
  const send = async (event) => {
    event.preventDefault();
    if (!field.value.trim()) { field.focus(); return; }
    const button = $('[type=submit]', form);
    button.disabled = true;
    const reply = await request({ do: 'answer', story: id, text: field.value });
    button.disabled = false;
    if (reply) { remember(key, null); done(); sync(); }
  };
  form.addEventListener('submit', send);
  form.addEventListener('keydown', (event) => { if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) send(event); });
  if (focused) field.focus();
}

// ---- menu ----
export function menu(card, only) {
  const { id, stage, state, label, branch, worktree } = card.dataset;
  const opener = document.activeElement;
  const runs = /running|preparing|gating|merging/.test(state);
  const item = (words, key, run, off) => el('button', { type: 'button', role: 'menuitem', disabled: Boolean(off), title: off || null, onclick: () => { close(); run(); } }, words, key ? el('kbd', {}, key) : '');
  const moves = STAGES.map((to, at) => item(`${only ? '' : 'Move to '}${NAMES[to]}`, only ? String(at + 1) : '', () => move(card, to), to === stage && 'It is here'));
  const box = el('div', { class: 'menu', role: 'menu', 'aria-label': `${label}: ${only ? 'move to' : 'actions'}` }, el('p', { role: 'none' }, only ? `Move ${label} to` : id), ...moves);
  if (!only) {
    box.append(el('hr', { role: 'none' }),
      runs ? item('Stop', 's', () => act(card, 'stop')) : item('Start', 's', () => act(card, 'start'), /review|question|problem|done/.test(state) && `Not while it is in ${state}`),
      state === 'held' ? item('Release', 'x', () => act(card, 'unhold')) : item('Hold', 'x', () => act(card, 'hold'), state === 'done' && 'It is closed'),
      item('Retry', 'r', () => act(card, 'retry'), !/blocked|waiting|held/.test(state) && 'Nothing to retry'),
      item('Why', 'w', () => why(id)), el('hr', { role: 'none' }),
      item('Edit', 'e', () => act(card, '/edit')), item('Diff', 'd', () => act(card, '/diff')), item('Live output', 't', () => act(card, '/live')), el('hr', { role: 'none' }),
      item('Copy id', 'y', () => copy(id)), item('Copy branch', '', () => copy(branch), !branch && 'No branch yet'), item('Copy worktree', '', () => copy(worktree), !worktree && 'No worktree yet'),
      item('Copy command', '', () => copy(`storkit show ${label}`)));
  }
  const close = () => { box.remove(); removeEventListener('pointerdown', outside, true); held -= 1; if (again) sync(); if (opener?.isConnected) opener.focus(); };
  const outside = (event) => { if (!box.contains(event.target)) close(); };
  held += 1;
  $('#main').append(box);
  const r = ($('.more', card) ?? card).getBoundingClientRect();
  box.style.left = `${Math.max(8, Math.min(r.right - box.offsetWidth, innerWidth - box.offsetWidth - 8))}px`;
  box.style.top = `${Math.max(8, r.bottom + box.offsetHeight + 8 > innerHeight ? r.top - box.offsetHeight - 4 : r.bottom + 4)}px`;
  addEventListener('pointerdown', outside, true);
  box.addEventListener('keydown', (event) => {
    event.stopPropagation();
    const items = $$('button:not([disabled])', box), at = items.indexOf(document.activeElement);
    if (event.key === 'ArrowDown' || event.key === 'j') items[(at + 1) % items.length].focus();
    else if (event.key === 'ArrowUp' || event.key === 'k') items[(at - 1 + items.length) % items.length].focus();
    else if (event.key === 'Home') items[0].focus();
    else if (event.key === 'End') items.at(-1).focus();
    else if (event.key === 'Escape' || event.key === 'Tab') close();
    else {
      const hit = $$('button', box).find((button) => $('kbd', button)?.textContent === event.key);
      if (!hit || hit.disabled) return;
      hit.click();
    }
    event.preventDefault();
  });
  $('button:not([disabled])', box)?.focus();
}

// ---- keys ----
export function key(event) {
  const name = event.key;
  if (lift) {
    const at = STAGES.indexOf(lift.to);
    const to = { ArrowLeft: STAGES[Math.max(0, at - 1)], h: STAGES[Math.max(0, at - 1)], ArrowRight: STAGES[Math.min(5, at + 1)], l: STAGES[Math.min(5, at + 1)], Home: 'backlog', End: 'archived' }[name];
    if (to) aimAt(to);
    else if (name === ' ' || name === 'Enter') end(true);
    else if (name === 'Escape') { const { card } = lift; end(false); say(`Cancelled, ${card.dataset.label} stays in ${NAMES[card.dataset.stage]}.`); } else return false;
    return true;
  }
  const card = current();
  const cards = card ? $$('.card', card.closest('.list')) : [];
  const at = cards.indexOf(card);
  const first = () => [...columns.values()].map((column) => $('.card', column.list)).find(Boolean);
  const beside = (step) => {
    if (!card) return first();
    const seen = STAGES.map((stage) => columns.get(stage)).filter((column) => $('.card', column.list));
    const next = seen[seen.findIndex((column) => column.stage === card.dataset.stage) + step];
    if (!next) return null;
    if (getComputedStyle(next.section).display === 'none') pick(next.stage);
    const top = card.getBoundingClientRect().top;
    return $$('.card', next.list).reduce((best, one) => (Math.abs(one.getBoundingClientRect().top - top) < Math.abs(best.getBoundingClientRect().top - top) ? one : best));
  };
  const page = Math.max(1, Math.floor((card?.closest('.list').clientHeight ?? 0) / 150));
  const go = {
    ArrowDown: () => (card ? cards[at + 1] : first()), j: () => (card ? cards[at + 1] : first()), ArrowUp: () => cards[at - 1], k: () => cards[at - 1],
    ArrowLeft: () => beside(-1), h: () => beside(-1), ArrowRight: () => beside(1), l: () => beside(1),
    Home: () => cards[0], End: () => cards.at(-1), G: () => cards.at(-1), PageDown: () => cards[Math.min(cards.length - 1, at + page)], PageUp: () => cards[Math.max(0, at - page)],
  };
  if (event.shiftKey && /^Arrow(Left|Right)$/.test(name) || name === 'H' || name === 'L') {
    const to = card && STAGES[STAGES.indexOf(card.dataset.stage) + (name === 'H' || name === 'ArrowLeft' ? -1 : 1)];
    if (to) move(card, to);
    return true;
  }
  if (go[name]) { focus(go[name]()); return true; }
  if (name === 'n' || name === 'N') { nextNeed(name === 'n' ? 1 : -1); return true; }
  if (!card || (event.target.closest('button') && name === ' ')) return false;
  if (name !== ' ') return does(card, name);
  begin(card);
  say(`${naming(card)} lifted. ${NAMES[card.dataset.stage]}, column ${STAGES.indexOf(card.dataset.stage) + 1} of 6.`);
  return true;
}

/** What a letter does to a story: to a card, or to the one whose page this is. */
export function does(card, name) {
  const { state, act: next, id } = card.dataset;
  const what = {
    a: next, s: /running|preparing|gating|merging/.test(state) ? 'stop' : 'start', x: state === 'held' ? 'unhold' : 'hold', r: 'retry', e: '/edit', t: '/live', d: '/diff', w: 'why',
    A: state === 'review' && 'approve',
  }[name];
  if (what) act(card, what);
  else if (name === 'm') menu(card, true);
  else if (name === 'y') copy(id);
  else return false;
  return true;
}

/** A click on something of a card or of the strip. */
export function click(event) {
  const button = event.target.closest('[data-do]');
  const card = event.target.closest('[data-state]');
  if (card && button) { act(card, button.dataset.do); return true; }
  if (button?.classList.contains('need') && !button.dataset.do.startsWith('/')) {
    if (button.dataset.do === 'answer') answer(button.dataset.id);
    else request({ do: button.dataset.do, story: button.dataset.id }).then(sync);
    return true;
  }
  return false;
}

export function narrow(text) {
  filter = text;
  for (const column of columns.values()) { column.at = 0; column.list.scrollTop = 0; }
  const url = new URL(location.href);
  if (text) url.searchParams.set('q', text); else url.searchParams.delete('q');
  history.replaceState(history.state, '', url);
  return sync();
}
