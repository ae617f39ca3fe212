// What can be done to a story, from its card or its page: by a button, a letter, the menu, or the list of all commands.

import { $, $$, el, fragment, api, request, fail, dialog, copy, remember, net } from './core.js';
import { board, current, hold, sync, renew, STAGES, NAMES } from './board.js';
import { move } from './drag.js';

const go = (path) => document.dispatchEvent(new CustomEvent('go', { detail: path }));
const MOVING = /running|preparing|gating|merging/;

export async function act(card, what) {
  const { id, state } = card.dataset;
  if (what === 'menu') return menu(card);
  if (what === 'move' || what === 'priority') return menu(card, what);
  if (what.startsWith('/')) return go(`/s/${id}${what}`);
  if (what === 'queue') return go('/queue');
  if (what === 'why') return why(id);
  if (what === 'answer') return answer(id);
  const back = () => request({ do: 'move', story: id, to: 'backlog' }).then(sync);
  if (what === 'start') await request({ do: 'start', story: id, agent: null }, { undo: state === 'idle' && back });
  else await request({ do: what, story: id, ...(what === 'hold' && { why: null }) });
  return renew();
}

async function remove({ id }) {
  const path = `/ui/restore/${id}`;
  const done = await request({}, { path: `/ui/delete/${id}`, undo: () => request({}, { path }).then(renew) });
  if (done && !board) go('/');
  else renew();
}

async function why(id) {
  try {
    const answer = await api(`/api/v1/stories/${encodeURIComponent(id)}/why`);
    const place = (one) => [one.path, one.line && `:${one.line}`, one.key && ` ${one.key}`, one.value != null && `: ${one.value}`].filter(Boolean).join('');
    const list = answer.conditions.map((one) => el('li', {}, el('span', { class: 'dim' }, one.what), el('div', {}, one.detail,
      one.path ? el('p', { class: 'mono dim' }, place(one)) : '', one.hint ? el('p', {}, one.hint) : '')));
    const box = dialog(`Why ${id} stands`, [list.length ? el('ul', { class: 'entries' }, ...list) : el('p', {}, 'Nothing keeps it.'),
      el('p', { class: 'row' }, el('button', { class: 'btn', type: 'button', autofocus: true, onclick: () => box.close() }, 'Close'))], { drawer: true });
  } catch (error) { fail(error); }
}

/** Answers a question where one is. */
async function answer(id) {
  try {
    const box = dialog('Answer', [fragment(await api(`/ui/question/${encodeURIComponent(id)}`))], { drawer: true });
    answering(box, id, () => box.close());
  } catch (error) { fail(error); }
}

/** Makes an answer's form work: choices fill the field, the text is kept until it is sent. */
export function answering(root, id, done, focused = true) {
  const form = $('form[data-answer]', root);
  if (!form) return;
  const field = $('textarea', form), key = `answer-${id}`;
  field.value = remember(key) ?? '';
  const keep = () => remember(key, field.value);
  field.addEventListener('input', keep);
  for (const choice of $$('[data-choice]', form)) choice.addEventListener('click', () => { field.value = choice.dataset.choice; keep(); field.focus(); });
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

// ---- what can be done ----
/** All that can be done to a story: words, key, what is run, and why it cannot be now. */
function commands(card) {
  const { id, stage, state, label, branch, worktree, priority } = card.dataset;
  const sends = (words, key, run, off) => ({ words, key, run, off: off || (net.lost && 'Not connected') });
  const looks = (words, key, run, off) => ({ words, key, run, off });
  const moves = STAGES.map((to, at) => sends(`Move to ${NAMES[to]}`, String(at + 1), () => move(card, to), to === stage && 'It is here'));
  const priorities = [1, 2, 3, 4, 5].map((to) => sends(`Priority ${to}`, String(to), () => request({ priority: to }, { path: `/ui/priority/${id}` }).then(renew), priority === String(to) && 'It has it'));
  const acts = [
    MOVING.test(state) ? sends('Stop', 's', () => act(card, 'stop')) : sends('Start', 's', () => act(card, 'start'), /review|question|problem|done/.test(state) && `Not while it is in ${state}`),
    state === 'held' ? sends('Release', 'x', () => act(card, 'unhold')) : sends('Hold', 'x', () => act(card, 'hold'), state === 'done' && 'It is closed'),
    sends('Retry', 'r', () => act(card, 'retry'), !/blocked|waiting|held/.test(state) && 'Nothing to retry'),
    sends('Priority …', 'p', () => menu(card, 'priority')), looks('Why', 'w', () => why(id)), null,
    looks('Edit', 'e', () => act(card, '/edit')), looks('Diff', 'd', () => act(card, '/diff')), looks('Live output', 't', () => act(card, '/live')), null,
    looks('Copy id', 'y', () => copy(id)), looks('Copy branch', '', () => copy(branch), !branch && 'No branch yet'), looks('Copy worktree', '', () => copy(worktree), !worktree && 'No worktree yet'),
    looks('Copy command', '', () => copy(`storkit show ${label}`)), null, sends('Delete', '', () => remove(card.dataset)),
  ];
  return { moves, priorities, acts };
}

/** The menu of a story, or one part of it: where it can move, or its priority. */
export function menu(card, only) {
  const { label, id } = card.dataset;
  const opener = document.activeElement;
  const { moves, priorities, acts } = commands(card);
  const items = { move: moves, priority: priorities }[only] ?? [...moves.map((one) => ({ ...one, key: '' })), null, ...acts];
  const item = (one) => (one ? el('button', { type: 'button', role: 'menuitem', disabled: Boolean(one.off), title: one.off || null, onclick: () => { close(); one.run(); } }, one.words, one.key ? el('kbd', {}, one.key) : '') : el('hr', { role: 'none' }));
  const words = { move: `Move ${label} to`, priority: `Priority of ${label}` }[only];
  const box = el('div', { class: 'menu', role: 'menu', 'aria-label': words ?? `${label}: actions` }, el('p', { role: 'none' }, words ?? id), ...items.map(item));
  const close = () => { box.remove(); removeEventListener('pointerdown', outside, true); hold(-1); if (opener?.isConnected) opener.focus(); };
  const outside = (event) => { if (!box.contains(event.target)) close(); };
  hold(1);
  $('#main').append(box);
  const r = ($('.more', card) ?? card).getBoundingClientRect();
  box.style.left = `${Math.max(8, Math.min(r.right - box.offsetWidth, innerWidth - box.offsetWidth - 8))}px`;
  box.style.top = `${Math.max(8, r.bottom + box.offsetHeight + 8 > innerHeight ? r.top - box.offsetHeight - 4 : r.bottom + 4)}px`;
  addEventListener('pointerdown', outside, true);
  box.addEventListener('keydown', (event) => {
    event.stopPropagation();
    const able = $$('button:not([disabled])', box), at = able.indexOf(document.activeElement);
    if (event.key === 'ArrowDown' || event.key === 'j') able[(at + 1) % able.length].focus();
    else if (event.key === 'ArrowUp' || event.key === 'k') able[(at - 1 + able.length) % able.length].focus();
    else if (event.key === 'Home') able[0].focus();
    else if (event.key === 'End') able.at(-1).focus();
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

/** The list of all commands: of the story that is meant, of the pages, and of what needs a person. */
export function palette() {
  const card = current(), of = card ? commands(card) : { moves: [], priorities: [], acts: [] };
  const story = [...of.acts.filter((one) => one && one.words !== 'Priority …'), ...of.moves, ...of.priorities].map((one) => ({ ...one, words: `${card.dataset.label}: ${one.words}` }));
  const pages = $$('.top nav a,#new').map((link) => ({ words: link.textContent.trim(), run: () => go(link.pathname) }));
  for (const name of ['archive', 'keys', 'settings']) pages.push({ words: name[0].toUpperCase() + name.slice(1), run: () => go(`/${name}`) });
  const needs = $$('#strip .need').map((need) => ({ words: `${$('u', need).textContent} ${$('.t', need).textContent}`, run: () => need.click() }));
  const all = [...story, ...needs, ...pages].sort((one, other) => Boolean(one.off) - Boolean(other.off));
  const list = el('ul', { id: 'commands', role: 'listbox', 'aria-label': 'Commands' });
  const field = el('input', { type: 'text', role: 'combobox', 'aria-expanded': 'true', 'aria-controls': 'commands', 'aria-label': 'Command', autocomplete: 'off', spellcheck: 'false', placeholder: 'Type a command' });
  let shown = [], at = 0;
  const choose = (to) => {
    at = Math.max(0, Math.min(shown.length - 1, to));
    [...list.children].forEach((one, index) => one.setAttribute('aria-selected', String(index === at)));
    list.children[at]?.scrollIntoView({ block: 'nearest' });
    field.setAttribute('aria-activedescendant', shown.length ? `command-${at}` : '');
  };
  const run = (one) => { if (one && !one.off) { box.close(); one.run(); } };
  const narrow = () => {
    const words = field.value.toLowerCase().split(/\s+/);
    shown = all.filter((one) => words.every((word) => one.words.toLowerCase().includes(word)));
    list.replaceChildren(...shown.map((one, index) => el('li', { id: `command-${index}`, role: 'option', 'aria-disabled': one.off ? 'true' : null, onclick: () => run(one) },
      one.words, el('span', { class: 'dim' }, one.off || ''), one.key ? el('kbd', {}, one.key) : '')));
    choose(0);
  };
  field.addEventListener('input', narrow);
  field.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
    if (step) choose(at + step);
    else if (event.key === 'Enter') run(shown[at]);
    else return;
    event.preventDefault();
  });
  const box = dialog('Commands', [field, list]);
  box.classList.add('palette');
  narrow();
  field.focus();
}

/** What a letter does to a story: to a card, or to the one whose page this is. */
export function does(card, name) {
  const { state, act: next, id } = card.dataset;
  const what = {
    a: next, s: MOVING.test(state) ? 'stop' : 'start', x: state === 'held' ? 'unhold' : 'hold', r: 'retry', e: '/edit', t: '/live', d: '/diff', w: 'why', m: 'move', p: 'priority',
    A: state === 'review' && 'approve',
  }[name];
  if (what) act(card, what);
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
    const { id, do: what } = button.dataset;
    if (what === 'answer') answer(id); else request({ do: what, story: id }).then(sync);
    return true;
  }
  return false;
}

/** A criterion is ticked where it is read. */
export async function tick(box) {
  const { id } = box.closest('[data-id]').dataset;
  const done = box.checked;
  if (!await request({ do: 'check', story: id, criterion: Number(box.dataset.criterion), done }, { quiet: true })) box.checked = !done;
}
