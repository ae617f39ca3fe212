// The page: which view an address shows, what keys do everywhere, and when to look again.

import { $, $$, el, fragment, api, request, enter, gate, follow, fail, ages, morph, connection, remember, closed, net, toast } from './core.js';
import * as board from './board.js';
import { answering, click, does as letter, palette, tick } from './acts.js';

const root = document.documentElement;
/** Theme, colours and keys, as this browser keeps them. */
export function dress() {
  const theme = remember('theme') ?? 'auto';
  const dark = theme === 'dark' || (theme === 'auto' && matchMedia('(prefers-color-scheme:dark)').matches);
  root.dataset.theme = dark ? 'dark' : 'light';
  root.dataset.diff = remember('diff') ?? 'green';
}
dress();
matchMedia('(prefers-color-scheme:dark)').addEventListener('change', dress);

let view = null, loading = 0, shown = 0;
const isBoard = () => location.pathname === '/';

async function show() {
  const mine = ++loading;
  view?.leave?.();
  view = null;
  if (closed.until) return;
  for (const link of $$('.top nav a,.bottom a')) {
    const is = link.pathname === location.pathname && (link.pathname !== '/' || link.search === location.search);
    if (is) link.setAttribute('aria-current', 'page'); else link.removeAttribute('aria-current');
  }
  const main = $('#main');
  if (isBoard()) {
    view = { leave: board.leave, heard: board.sync, key: board.key };
    board.title('Board');
    await board.show(main);
    shown = mine;
    return;
  }
  try {
    const html = await api(`/ui${location.pathname}${location.search}`);
    const page = fragment(html).firstElementChild;
    // What it does is there when it is seen.
    const open = page.dataset.view && await import(`/assets/${page.dataset.view}.js`);
    if (mine !== loading) return;
    main.className = '';
    main.replaceChildren(page);
    main.scrollTop = 0;
    ages(main);
    shown = mine;
    board.title(page.dataset.title);
    view = open?.[page.dataset.make]?.(page) ?? {};
    if (page.dataset.answer !== undefined) answering(page, page.dataset.id, refresh, false);
    const at = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (at) at.scrollIntoView();
    else if (document.activeElement === document.body) $('h1', page)?.setAttribute('tabindex', '-1');
    board.sync();
  } catch (error) {
    if (mine !== loading || closed.until) return;
    main.className = '';
    main.replaceChildren(el('section', { class: 'page', 'data-title': 'Not shown' }, el('h1', {}, 'This cannot be shown'), el('p', {}, error.message), el('p', {}, el('a', { href: '/' }, 'Back to the board'))));
    board.title('Not shown');
  }
}

/** The same address again, in place: what a person is in the middle of stays. */
async function refresh() {
  if (isBoard()) return board.sync();
  if (view?.refresh) { board.sync(); return view.refresh(); }
  board.sync();
  // What is on its way here is not what is there.
  if (shown !== loading) return show();
  const mine = loading;
  const main = $('#main');
  if (main.contains(document.activeElement) && document.activeElement.matches('input:not([type=checkbox]),textarea,select')) return null;
  try {
    const html = await api(`/ui${location.pathname}${location.search}`);
    // Meanwhile a person may have gone elsewhere, or begun something here.
    if (mine !== loading || view?.refresh) return null;
    const fresh = fragment(html).firstElementChild, old = main.firstElementChild;
    if (old?.dataset.title !== undefined && fresh) { const top = main.scrollTop; morph(old, fresh); ages(main); main.scrollTop = top; }
  } catch (error) { fail(error); }
  return null;
}

export function go(path) {
  view?.leave?.();
  history.pushState(null, '', path);
  show().then(() => { if (!isBoard()) $('#main').focus(); });
}
document.addEventListener('go', (event) => go(event.detail));
document.addEventListener('refresh', refresh);
document.addEventListener('dress', dress);
addEventListener('popstate', () => (location.hash.startsWith('#code=') ? location.reload() : show()));

// ---- clicks ----
document.addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const resume = event.target.closest('[data-resume]');
  if (resume) { request({ do: 'resume', agent: resume.dataset.resume }).then(refresh); return; }
  if (click(event)) { event.preventDefault(); return; }
  const link = event.target.closest('a[href]');
  if (!link || link.target || link.origin !== location.origin || link.hash && link.pathname === location.pathname) return;
  event.preventDefault();
  go(link.pathname + link.search + link.hash);
});

document.addEventListener('change', (event) => { if (event.target.dataset.criterion) tick(event.target).then(refresh); });

// ---- filter ----
let typing;
$('#filter').addEventListener('input', (event) => {
  clearTimeout(typing);
  const { value } = event.target;
  typing = setTimeout(() => (isBoard() ? board.narrow(value) : go(`/?q=${encodeURIComponent(value)}`)), 120);
});
$('#filter').addEventListener('keydown', (event) => {
  if (event.key === 'Escape') { event.target.value = ''; if (isBoard()) board.narrow(''); event.target.blur(); }
  if (event.key === 'Enter' || event.key === 'ArrowDown') { event.preventDefault(); event.target.blur(); if (isBoard()) board.key({ key: 'ArrowDown', target: document.body }); }
});

// ---- keys ----
let prefix = null;
const PLACES = { b: '/', a: '/agents', q: '/queue', u: '/usage', p: '/problems' };
document.addEventListener('keydown', (event) => {
  if (event.defaultPrevented || $('dialog[open]') || $('.menu')) return;
  if (event.ctrlKey && event.key === 'k') { event.preventDefault(); palette(); return; }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches('input:not([type=checkbox],[type=radio]),textarea,select,[contenteditable]')) {
    if (event.key === 'Escape' && event.target.id !== 'filter') event.target.blur();
    return;
  }
  const single = event.key.length === 1 && event.key !== ' ';
  if (single && remember('keys') === 'off') return;
  if (prefix === 'g') {
    prefix = null;
    if (PLACES[event.key]) { event.preventDefault(); go(PLACES[event.key]); return; }
    if (event.key === 'g') { event.preventDefault(); view?.key?.({ key: 'Home', target: event.target }); return; }
  }
  if (view?.key?.(event)) { event.preventDefault(); return; }
  const does = {
    '/': () => { $('#filter').focus(); $('#filter').select(); }, c: () => go('/new'), '?': () => go('/keys'), g: () => { prefix = 'g'; setTimeout(() => { prefix = null; }, 2000); },
    n: () => board.nextNeed(1), N: () => board.nextNeed(-1), z: () => $$('#toasts .undo').at(-1)?.click(), q: () => !isBoard() && history.back(), Escape: () => !isBoard() && go('/'),
  }[event.key];
  if (does) { event.preventDefault(); does(); return; }
  const page = $('#main > [data-state]');
  if (page && letter(page, event.key)) event.preventDefault();
});

// ---- live ----
const GATHER = 80, BETWEEN = 250;
let pending = null, lostAt = 0, version = null, whole = false;
/** An event of another story changes a story's page in its head alone. */
function hear(event) {
  let story = null;
  try { ({ story } = JSON.parse(event.data)); } catch { /* A resync has none. */ }
  const page = $('#main > [data-id]');
  look(!page || !story || story === page.dataset.id);
}
function look(all = true) {
  if (document.hidden) { look.missed = true; return; }
  whole ||= all;
  // What comes close together is looked at once, and at most four times a second.
  pending ??= setTimeout(async () => {
    pending = null;
    look.at = Date.now();
    const everything = whole;
    whole = false;
    await (isBoard() || !everything ? board.sync() : view?.heard ? view.heard() : refresh());
    const now = board.summary().version;
    if (version && now && now !== version) toast('storkit was updated: reload this page for its new version.');
    version = now || version;
  }, Math.max(GATHER, (look.at ?? 0) + BETWEEN - Date.now()));
}
document.addEventListener('visibilitychange', () => { if (!document.hidden && look.missed) { look.missed = false; look(); } });
// No event says what an agent does: cards of those that work are looked at again.
let ticks = 0;
setInterval(() => { if (!document.hidden && !closed.until && !lostAt && (++ticks % 6 === 0 || (isBoard() && $('.card:is([data-state=running],[data-state=gating],[data-state=merging])')))) look(); }, 5000);

/** What would be sent is off while nothing can be. */
function reach(on) {
  net.lost = !on;
  for (const one of on ? $$('[data-off]') : $$('button[data-do]:not([data-do=menu],:disabled),button[data-resume],.verdict button,[type=submit],[data-criterion]')) {
    one.disabled = !on;
    if (on) one.removeAttribute('title'); else one.title = 'Not connected';
    one.toggleAttribute('data-off', !on);
  }
}

function state(now) {
  if (closed.until) return;
  reach(now === 'on');
  if (now === 'on') {
    if (lostAt) { toast('Connected again.'); look(); }
    lostAt = 0;
    connection('on', 'Live');
    return;
  }
  const since = lostAt || Date.now();
  lostAt = since;
  connection('off', 'Reconnecting…');
  setTimeout(() => {
    if (lostAt !== since) return;
    connection('bad', 'Not running');
    const notice = $('#notice');
    notice.hidden = false;
    notice.dataset.why = 'lost';
    notice.replaceChildren(`storkit is not running: the board is as of ${new Date(since).toLocaleTimeString()}. `, el('code', {}, 'storkit up'));
  }, 5000);
}

(async () => {
  if (!await enter()) { if (!closed.until) gate(); return; }
  follow(hear, state, show());
})();
