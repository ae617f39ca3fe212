// Review: marks of what was seen, comments on lines kept until they are sent, and the verdict.

import { $, $$, el, request, remember, toast, say } from './core.js';

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
    const text = el('textarea', { rows: 3, maxlength: 10000, 'aria-label': `Comment on line ${draft.line} of ${draft.path}` });
    text.value = draft.text;
    const keep = () => { draft.text = text.value; if (text.value.trim() && !drafts.includes(draft)) drafts.push(draft); store(); };
    const close = () => { if (text.value.trim()) { keep(); text.blur(); $('button', row).focus(); say('Comment kept.'); } else drop(); };
    const drop = () => { const at = drafts.indexOf(draft); if (at >= 0) drafts.splice(at, 1); box.remove(); store(); $('button', row)?.focus(); };
    const box = el('div', { class: 'comment', 'data-keep': true }, text, el('p', { class: 'row' },
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
  const rowAt = (file, draft) => $$('.ln', file).find((row) => $('button', row).dataset.line === String(draft.line) && (draft.side === '' || row.classList.contains(draft.side) || draft.side === undefined));
  for (const draft of drafts) {
    const file = files.find((one) => one.dataset.path === draft.path);
    const row = file && rowAt(file, draft);
    if (row) comment(row, draft);
  }
  page.addEventListener('click', (event) => {
    const button = event.target.closest('.ln > button');
    if (!button) return;
    event.preventDefault();
    const row = button.parentElement;
    const side = row.classList.contains('d') ? 'd' : row.classList.contains('a') ? 'a' : '';
    comment(row, { path: row.closest('.file').dataset.path, line: button.dataset.line, side, quote: $('code', row).textContent, text: '' }).focus();
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
  const wrap = $('#wrap', page);
  if (wrap) {
    wrap.checked = remember('wrap') ?? matchMedia('(max-width:720px)').matches;
    const apply = () => { page.classList.toggle('wrap', wrap.checked); remember('wrap', wrap.checked); };
    wrap.addEventListener('change', apply);
    page.classList.toggle('wrap', wrap.checked);
  }

  // ---- verdict ----
  const notes = () => drafts.map(({ path, line, quote, text }) => `${path}:${line}\n\n${quote.trim() ? `    ${quote}\n\n` : ''}${text.trim()}`).join('\n\n');
  async function back() {
    if (!$('#send-back', page)) return;
    if (!drafts.length) {
      const { dialog } = await import('./core.js');
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
    // A review is not changed under the reader's eyes: news are told.
    heard: () => { if (!page.dataset.told) { page.dataset.told = '1'; } }, refresh: () => {},
    key: (event) => {
      const file = document.activeElement.closest?.('.file') ?? files.find((one) => one.getBoundingClientRect().bottom > 140);
      const hunk = (by) => { const next = step($$('.file details[open] .hunk', page), by); next?.scrollIntoView({ block: 'start' }); if (next) $('#main').scrollTop -= 130; };
      const lines = () => $$('.file details[open] .ln > button', page);
      const does = {
        ']': () => show(files[files.indexOf(file) + 1]), '[': () => show(files[files.indexOf(file) - 1]), J: () => hunk(1), K: () => hunk(-1),
        v: () => { const box = file && $('.viewed', file); if (!box) return; box.click(); if (box.checked) show(files[files.indexOf(file) + 1]); },
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
