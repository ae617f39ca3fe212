// Review: marks of what was seen, comments on lines kept until they are sent, and the verdict.

import { $, $$, dialog, el, request, remember, say } from './core.js';

export function review(page) {
  const { id } = page.dataset;
  const files = $$('.file', page);
  const fold = (file, open) => { $('details', file).open = open; };
  const key = `review-${id}`, marks = `viewed-${id}`;
  const drafts = remember(key) ?? [];
  const seen = remember(marks) ?? {};
  const go = (path) => document.dispatchEvent(new CustomEvent('go', { detail: path }));

  const summary = () => {
    const count = files.filter((file) => $('.viewed', file).checked).length;
    if (files.length) $('#seen', page).textContent = `· ${count} viewed`;
    const words = $('#drafts', page);
    if (words) words.textContent = drafts.length ? `${drafts.length} ${drafts.length === 1 ? 'comment goes' : 'comments go'} under ## Review notes with path, line and code.` : 'No comments yet.';
  };
  const store = () => { remember(key, drafts.length ? drafts : null); summary(); };

  // ---- comments ----
  function comment(row, draft) {
    const words = `line${draft.to ? `s ${draft.line} to ${draft.to}` : ` ${draft.line}`}`;
    const text = el('textarea', { rows: 3, maxlength: 10000, 'aria-label': `Comment on ${words} of ${draft.path}` });
    text.value = draft.text;
    const keep = () => { draft.text = text.value; if (text.value.trim() && !drafts.includes(draft)) drafts.push(draft); store(); };
    const close = () => { if (text.value.trim()) { keep(); text.blur(); $('button', row).focus(); say('Comment kept.'); } else drop(); };
    const drop = () => { const at = drafts.indexOf(draft); if (at >= 0) drafts.splice(at, 1); box.remove(); store(); $('button', row)?.focus(); };
    const box = el('div', { class: 'comment', 'data-keep': true }, draft.to ? el('p', { class: 'dim' }, words[0].toUpperCase() + words.slice(1)) : '', text, el('p', { class: 'row' },
      el('button', { class: 'btn', type: 'button', onclick: drop }, 'Delete'),
      el('button', { class: 'btn strong end', type: 'button', onclick: close }, 'Keep ', el('kbd', { class: 'hide-s' }, 'Ctrl ⏎'))));
    text.addEventListener('input', keep);
    text.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) { event.preventDefault(); close(); }
      if (event.key === 'Escape') { event.stopPropagation(); close(); }
    });
    let after = row;
    while (after.nextElementSibling?.classList.contains('comment')) after = after.nextElementSibling;
    after.after(box);
    return text;
  }
  const sideOf = (row) => (row.classList.contains('d') ? 'd' : row.classList.contains('a') ? 'a' : '');
  const rowAt = (file, { line, to, side }) => $$('.ln', file).find((row) => $('button', row).dataset.line === String(to ?? line) && (!side || sideOf(row) === side));
  for (const draft of drafts) {
    const file = files.find((one) => one.dataset.path === draft.path);
    const row = file && rowAt(file, draft);
    if (row) comment(row, draft);
  }
  // Rows that a comment is to be about: where it began, and up to where Shift and an arrow widened it.
  let range = null;
  function widen(by) {
    const row = document.activeElement.closest?.('.ln');
    if (!row) return;
    const rows = $$('.ln', row.closest('.file')), from = range?.file === row.closest('.file') ? range.from : rows.indexOf(row);
    const to = Math.max(0, Math.min(rows.length - 1, rows.indexOf(row) + by));
    range = { file: row.closest('.file'), from, to, rows };
    rows.forEach((one, at) => one.classList.toggle('sel', at >= Math.min(from, to) && at <= Math.max(from, to)));
    $('button', rows[to]).focus();
    say(`${Math.abs(to - from) + 1} lines`);
  }
  const narrow = () => { for (const row of $$('.ln.sel', page)) row.classList.remove('sel'); range = null; };
  function begin(button) {
    const row = button.parentElement, file = row.closest('.file'), { path } = file.dataset;
    const rows = range?.file === file ? range.rows.slice(Math.min(range.from, range.to), Math.max(range.from, range.to) + 1) : [row];
    narrow();
    const last = rows.at(-1), number = (one) => $('button', one).dataset.line;
    comment(last, {
      path, line: number(rows[0]), ...(rows.length > 1 && { to: number(last) }), side: sideOf(last),
      quote: rows.map((one) => (rows.length > 1 ? $('i', one).textContent.padEnd(1) : '') + $('code', one).textContent).join('\n'), text: '',
    }).focus();
  }
  page.addEventListener('click', (event) => {
    const button = event.target.closest('.ln > button');
    if (!button) { if (range) narrow(); return; }
    event.preventDefault();
    begin(button);
  });

  // ---- viewed ----
  for (const [at, file] of files.entries()) {
    const box = $('.viewed', file), link = $(`[data-file="${at + 1}"]`, page);
    const mark = () => { link.parentElement.classList.toggle('seen', box.checked); summary(); };
    if (file.dataset.blob && seen[file.dataset.path] === file.dataset.blob) { box.checked = true; fold(file, false); }
    mark();
    box.addEventListener('change', () => {
      if (box.checked) seen[file.dataset.path] = file.dataset.blob; else delete seen[file.dataset.path];
      fold(file, !box.checked);
      remember(marks, seen);
      mark();
    });
    link.addEventListener('click', (event) => { event.preventDefault(); event.stopPropagation(); show(file); });
  }
  const show = (file) => { if (!file) return; fold(file, true); file.scrollIntoView({ block: 'start' }); $('summary', file).focus({ preventScroll: true }); };
  $('#open-all', page)?.addEventListener('click', () => files.forEach((file) => fold(file, true)));
  /** A switch that is kept in this browser. */
  function toggle(name, at, apply = () => {}) {
    const box = $(`#${name}`, page);
    if (!box) return;
    const set = () => { page.classList.toggle(`is-${name}`, box.checked); apply(box.checked); };
    box.checked = remember(name) ?? at;
    box.addEventListener('change', () => { remember(name, box.checked); set(); });
    set();
  }
  toggle('wrap', matchMedia('(max-width:720px)').matches);
  // Side by side, what is unchanged stands on both sides.
  toggle('split', false, (on) => {
    for (const row of $$('.code-t > .ln', page)) {
      $('.again', row)?.remove();
      if (!on) continue;
      const again = $('code', row).cloneNode(true);
      again.className = 'again';
      again.ariaHidden = 'true';
      again.dataset.n = $('button', row).dataset.n;
      row.append(again);
    }
  });

  // ---- with what it is compared ----
  const compare = (since, space) => go(`${location.pathname}?${new URLSearchParams({ ...(since && { since }), ...(space && { space: 'off' }) })}`);
  const since = $('#since', page), space = $('#space', page), { tip } = page.dataset, reviewed = remember(`reviewed-${id}`);
  since?.addEventListener('change', () => compare(since.value, space.checked));
  space?.addEventListener('change', () => compare(since?.value, space.checked));
  const mine = $('#since-review', page);
  if (mine && reviewed && since.value !== reviewed && [...since.options].some((option) => option.value === reviewed)) {
    mine.hidden = false;
    mine.addEventListener('click', () => compare(reviewed, space.checked));
  }

  // ---- verdict ----
  const notes = () => drafts.map(({ path, line, to, quote, text }) => `${path}:${line}${to ? `-${to}` : ''}\n\n${quote.trim() ? `${quote.replace(/^/gm, '    ')}\n\n` : ''}${text.trim()}`).join('\n\n');
  async function back() {
    if (!$('#send-back', page)) return;
    if (!drafts.length) {
      const text = el('textarea', { rows: 4, 'aria-label': 'What is wrong', maxlength: 60000 });
      const send = () => { if (text.value.trim()) { box.close(); verdict({ do: 'reject', story: id, text: text.value }); } else text.focus(); };
      const box = dialog('Send back: what is wrong?', [text, el('p', { class: 'row' }, el('button', { class: 'btn', type: 'button', onclick: () => box.close() }, 'Cancel'), el('button', { class: 'btn strong end', type: 'button', onclick: send }, 'Send back'))]);
      text.addEventListener('keydown', (event) => { if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) send(); });
      text.focus();
      return;
    }
    await verdict({ do: 'reject', story: id, text: notes() });
  }
  async function verdict(body) {
    for (const button of $$('.verdict button', page)) button.disabled = true;
    const reply = await request(body, body.do === 'approve' ? { undo: () => request({ do: 'move', story: id, to: 'qa' }) } : {});
    for (const button of $$('.verdict button', page)) button.disabled = false;
    if (!reply) return;
    if (tip) remember(`reviewed-${id}`, tip);
    drafts.length = 0;
    store();
    go('/');
  }
  $('#approve', page)?.addEventListener('click', () => verdict({ do: 'approve', story: id }));
  $('#send-back', page)?.addEventListener('click', back);

  // ---- keys ----
  const step = (all, by) => {
    const line = 130;
    const tops = all.map((one) => one.getBoundingClientRect().top);
    const at = by > 0 ? tops.findIndex((top) => top > line + 4) : tops.findLastIndex((top) => top < line - 4);
    return all[at];
  };
  summary();
  return {
    // A review is not changed under the reader's eyes.
    heard: () => {}, refresh: () => {},
    key: (event) => {
      const file = document.activeElement.closest?.('.file') ?? files.find((one) => one.getBoundingClientRect().bottom > 140);
      const hunk = (by) => { const next = step($$('.file details[open] .hunk', page), by); next?.scrollIntoView({ block: 'start' }); if (next) $('#main').scrollTop -= 130; };
      const lines = () => $$('.file details[open] .ln > button', page);
      const does = {
        ']': () => show(files[files.indexOf(file) + 1]), '[': () => show(files[files.indexOf(file) - 1]), J: () => hunk(1), K: () => hunk(-1),
        v: () => { const box = file && $('.viewed', file); if (!box) return; box.click(); if (box.checked) show(files[files.indexOf(file) + 1]); },
        ArrowDown: event.shiftKey && (() => widen(1)), ArrowUp: event.shiftKey && (() => widen(-1)), Escape: range && narrow,
        c: () => { const at = document.activeElement.matches('.ln > button') ? document.activeElement : lines().find((one) => one.getBoundingClientRect().top > 130); at?.click(); },
        j: () => lines()[lines().indexOf(document.activeElement) + 1]?.focus(), k: () => lines()[lines().indexOf(document.activeElement) - 1]?.focus(),
        A: () => $('#approve', page)?.click(), R: back,
      }[event.key];
      if (!does) return false;
      does();
      return true;
    },
  };
}
