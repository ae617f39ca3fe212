// Logs of runs and gates: leafed through piece by piece, searched whole by the daemon.

import { $, $$, api, fragment, fail } from './core.js';

/** What was found in a log, by its box; and how often that was asked. */
const finds = new WeakMap(), turns = new WeakMap();

function ask(box, what, more) {
  const { log: run, gate } = box.dataset;
  return api(`/ui/${what}/${run}?${new URLSearchParams({ ...(gate && { gate }), q: $('input', box).value, ...more })}`);
}

/** Another piece; of several asked for, the last one stays. */
async function take(box, at) {
  const mine = (turns.get(box) ?? 0) + 1;
  box.dataset.leafed = '';
  turns.set(box, mine);
  const fresh = fragment(await ask(box, 'log', at)).firstElementChild;
  if (mine !== turns.get(box)) return fresh;
  $('pre', box).replaceWith(fresh);
  const { from, next, size } = fresh.dataset;
  const percent = (byte) => Math.round((byte / Math.max(1, size)) * 100);
  $('[role=status]', box).textContent = `${percent(from)} to ${percent(next)} % of ${Math.ceil(size / 1024).toLocaleString('en')} kB`;
  return fresh;
}

async function leaf(box, to) {
  let { from, next } = $('pre', box).dataset;
  if (to === 'before' && from === undefined) ({ from } = (await take(box, {})).dataset);
  if (to === 'before') { if (from > 0) (await take(box, { before: from })).scrollTop = 1e9; } else if (to === 'from') { if (next !== undefined) await take(box, { from: next }); } else await take(box, to === 'first' ? { from: 0 } : {});
}

async function search(box, step) {
  const q = $('input', box).value;
  if (!q.trim()) return;
  let found = finds.get(box);
  if (found?.q === q) found.hit = (found.hit + step + found.lines) % Math.max(1, found.lines);
  else finds.set(box, found = { q, hit: 0, ...await ask(box, 'find') });
  const said = $('[role=status]', box);
  if (!found.lines) { said.textContent = 'Not found.'; return; }
  let left = found.hit;
  const [from] = found.pieces.find(([, lines]) => left < lines || (left -= lines) < 0);
  const mark = $$('.hit', await take(box, { from }))[left];
  mark?.classList.add('now');
  mark?.scrollIntoView({ block: 'center' });
  said.textContent = `${found.hit + 1} of ${found.lines}${found.cut ? ' and more' : ''}`;
}

export function runs(page) {
  // A red gate is open at its first failing line.
  for (const pre of $$('[data-log] pre', page)) {
    const hit = $('.hit', pre);
    if (hit) pre.scrollTop = Math.max(0, hit.offsetTop - pre.offsetTop - 150);
  }
  page.addEventListener('click', ({ target }) => {
    const to = target.closest('[data-leaf]')?.dataset.leaf;
    if (to) leaf(target.closest('[data-log]'), to).catch(fail);
  });
  page.addEventListener('keydown', (event) => {
    const box = event.key === 'Enter' && event.target.matches('[data-log] input') && event.target.closest('[data-log]');
    if (!box) return;
    event.preventDefault();
    search(box, event.shiftKey ? -1 : 1).catch(fail);
  });
  // What is leafed through stays as it is.
  return { get refresh() { return $('[data-leafed]', page) ? () => {} : null; } };
}
