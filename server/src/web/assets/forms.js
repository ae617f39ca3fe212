// Making and editing a story, checked and shown as it is typed; what is typed is kept until it is sent.

import { $, $$, el, api, fragment, fail, remember, toast, dialog } from './core.js';

const go = (path) => document.dispatchEvent(new CustomEvent('go', { detail: path }));

/** Checks after a pause, shows the preview, keeps a draft. */
function typed(form, key, body) {
  const problems = $('#problems', form), preview = $('#preview', form);
  let timer, asked = 0;
  const check = async () => {
    const mine = ++asked;
    try {
      const checked = await api('/ui/check', { method: 'POST', json: body() });
      if (mine !== asked) return;
      problems.replaceChildren(...checked.problems.map((one) => el('p', {}, `${one.line ? `Line ${one.line}${one.column ? `, column ${one.column}` : ''}: ` : ''}${one.message}${one.hint ? ` — ${one.hint}` : ''}`)));
      for (const field of $$('textarea,#title', form)) field.setAttribute('aria-invalid', String(checked.problems.length > 0));
      preview.replaceChildren(fragment(checked.html));
    } catch (error) { fail(error); }
  };
  form.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(check, 300);
    remember(key, Object.fromEntries(new FormData(form)));
    $('#kept', form).textContent = 'Draft kept in this browser.';
  });
  form.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(); }
  });
  return check;
}

async function sending(form, words, send) {
  const button = $('[type=submit]', form);
  const { width } = button.getBoundingClientRect();
  const before = [...button.childNodes];
  button.style.width = `${width}px`;
  button.disabled = true;
  button.replaceChildren(words);
  try { await send(); } catch (error) { fail(error); } finally {
    button.disabled = false;
    button.replaceChildren(...before);
  }
}

export function create(page) {
  const form = $('form', page), key = 'new-story';
  const draft = () => Object.fromEntries(new FormData(form));
  for (const [name, value] of Object.entries(remember(key) ?? {})) if (form.elements[name]) form.elements[name].value = value;
  const check = typed(form, key, draft);
  check();
  $('#title', form).focus();
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    sending(form, 'Creating …', async () => {
      const { id } = await api('/ui/new', { method: 'POST', json: draft(), headers: { 'Idempotency-Key': crypto.randomUUID() } });
      remember(key, null);
      toast(`${id}: created`);
      go(`/s/${id}`);
    });
  });
  return { refresh: () => {}, heard: () => {} };
}

export function edit(page) {
  const form = $('form', page), { id } = page.dataset, key = `edit-${id}`;
  const text = $('textarea', form);
  const kept = remember(key);
  if (kept?.text && kept.text !== text.value) {
    $('#kept', form).replaceChildren('A draft of yours is kept. ', el('button', { class: 'btn', type: 'button', onclick: () => { text.value = kept.text; check(); } }, 'Take it up'));
  }
  const check = typed(form, key, () => ({ id, text: text.value }));
  check();
  const line = Number(new URLSearchParams(location.search).get('line'));
  text.focus();
  if (line) {
    const lines = text.value.split('\n');
    const at = lines.slice(0, line - 1).join('\n').length + (line > 1 ? 1 : 0);
    text.setSelectionRange(at, at + (lines[line - 1]?.length ?? 0));
  } else text.setSelectionRange(0, 0);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    sending(form, 'Saving …', async () => {
      try {
        await api(`/ui/save/${encodeURIComponent(id)}`, { method: 'POST', json: { was: page.dataset.was, text: text.value } });
        remember(key, null);
        toast(`${id}: saved`);
        go(`/s/${id}`);
      } catch (error) {
        if (error.status !== 409 || error.problem?.text === undefined) throw error;
        const box = dialog('The file has changed meanwhile', [
          el('p', {}, 'Below is the file as it is now; yours is in the editor.'), el('pre', { class: 'log', tabindex: 0 }, error.problem.text),
          el('p', { class: 'row' }, el('button', { class: 'btn', type: 'button', onclick: () => box.close() }, 'Back to mine'),
            el('button', { class: 'btn', type: 'button', onclick: () => { page.dataset.was = error.problem.was; text.value = error.problem.text; check(); box.close(); } }, 'Take theirs'),
            el('button', { class: 'btn danger end', type: 'button', onclick: () => { page.dataset.was = error.problem.was; box.close(); form.requestSubmit(); } }, 'Overwrite with mine'))]);
      }
    });
  });
  return { refresh: () => {}, heard: () => {} };
}

export function settings(page) {
  for (const input of $$('input', page)) {
    const set = remember(input.name) ?? { theme: 'auto', diff: 'green', keys: 'on' }[input.name];
    input.checked = set === input.value;
    input.addEventListener('change', () => { remember(input.name, input.value); document.dispatchEvent(new Event('dress')); });
  }
  return { refresh: () => {}, heard: () => {} };
}
