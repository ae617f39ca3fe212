// What every page uses: the session, requests, fragments, messages and the one stream of events.
// Nothing here makes markup of text: HTML comes from the daemon's templates alone, by one policy.

const policy = globalThis.trustedTypes
  ? trustedTypes.createPolicy('storkit', { createHTML: (html) => html })
  : { createHTML: (html) => html };

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
export const closed = { until: false };
/** Whether the daemon is out of reach. */
export const net = { lost: false };

/** An element, with attributes, and texts or elements inside. */
export function el(name, attributes = {}, ...inside) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, '');
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...inside);
  return element;
}

/** The daemon's HTML as nodes. */
export function fragment(html) {
  const template = document.createElement('template');
  template.innerHTML = policy.createHTML(html);
  return template.content;
}

// ---- session ----
const KEY = 'storkit-token';
let token = sessionStorage.getItem(KEY);
const tabs = 'BroadcastChannel' in globalThis ? new BroadcastChannel('storkit') : null;
const listeners = new Set();
export const onTab = (listener) => listeners.add(listener);
tabs?.addEventListener('message', ({ data }) => {
  // Another tab of this browser may ask for the key: the channel reaches this origin alone.
  if (data.ask === 'key' && token) tabs.postMessage({ key: token });
  for (const listener of listeners) listener(data);
});
export const tell = (data) => tabs?.postMessage(data);

function keep(key) {
  token = key;
  sessionStorage.setItem(KEY, key);
}

/** Whether this page has a key: by a code in its address, from before, or from another tab. */
export async function enter() {
  const code = new URLSearchParams(location.hash.slice(1)).get('code');
  if (code) {
    history.replaceState(history.state, '', location.pathname + location.search);
    const answer = await fetch('/api/v1/session', {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ code }),
    }).catch(() => null);
    if (answer?.ok) keep((await answer.json()).token);
    else if (!token) gate('This code has been used, or is too old. Each works once.');
  }
  if (token || !tabs) return Boolean(token);
  return new Promise((done) => {
    const timer = setTimeout(() => done(Boolean(token)), 250);
    onTab((data) => {
      if (!data.key || token) return;
      keep(data.key);
      clearTimeout(timer);
      done(true);
    });
    tell({ ask: 'key' });
  });
}

/** Says that there is no key, or no longer. */
export function gate(why) {
  sessionStorage.removeItem(KEY);
  token = null;
  closed.until = true;
  const main = $('#main');
  main.className = '';
  main.replaceChildren($('#t-gate').content.cloneNode(true));
  if (why) $('#gate-why').textContent = why;
  document.title = 'storkit';
  connection('bad', 'No session');
}

// ---- requests ----
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.error ?? problem.title ?? `status ${status}`);
    Object.assign(this, { status, hint: problem.hint, problem });
  }
}

/** Asks the daemon; JSON where it is JSON, else text. Throws `Refused`, or a TypeError without a connection. */
export async function api(path, { method = 'GET', json, headers = {}, signal } = {}) {
  const options = { method, signal, headers: { Authorization: `Bearer ${token}`, ...headers } };
  if (json !== undefined) {
    options.headers['Content-Type'] = 'application/json';
    options.body = JSON.stringify(json);
  }
  const answer = await fetch(path, options);
  // Of the first answer that says it: what happens after it is told by the stream.
  if (seen === null) seen = answer.headers.get('storkit-event');
  const isJson = /[/+]json/.test(answer.headers.get('content-type') ?? '');
  if (answer.ok) return isJson ? answer.json() : answer.text();
  const problem = isJson ? await answer.json().catch(() => ({})) : { detail: await answer.text() };
  if (answer.status === 401) gate('This session has ended. Open the board again:');
  throw new Refused(answer.status, problem);
}

export const authorized = (path, init = {}) =>
  fetch(path, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } });

/** A socket of a run's terminal; a browser can send the key in no other header. */
export const socket = (path) => new WebSocket(`${location.origin.replace('http', 'ws')}${path}`, ['storkit', `bearer.${token}`]);

/** Carries out one request of the board and says how it went. */
export async function request(json, { undo = false, quiet = false, path = '/api/v1/requests' } = {}) {
  if (net.lost) { toast('Not connected: nothing was sent.', { bad: true }); return null; }
  try {
    const reply = await api(path, { method: 'POST', json });
    if (!quiet) toast(reply.message ?? 'Done', { undo });
    return reply;
  } catch (error) {
    fail(error);
    return null;
  }
}

// ---- messages ----
let speech;
/** Says a sentence to a screen reader; of several within half a second the last. */
export function say(text) {
  clearTimeout(speech);
  speech = setTimeout(() => { $('#live').textContent = text; }, 150);
}

export function toast(text, { bad = false, undo = false } = {}) {
  const box = el('div', { class: bad ? 'toast bad' : 'toast', role: bad ? 'alert' : null }, el('span', {}, text));
  if (undo) box.append(el('button', { type: 'button', class: 'undo', onclick: () => { box.remove(); undo(); } }, 'Undo'));
  box.append(el('button', { type: 'button', 'aria-label': 'Close', onclick: () => box.remove() }, '✕'));
  const all = $('#toasts');
  all.append(box);
  while (all.children.length > 3) all.firstChild.remove();
  if (!bad) {
    const end = () => (box.matches(':hover,:focus-within') ? setTimeout(end, 2000) : box.remove());
    setTimeout(end, undo ? 10000 : 6000);
    say(text);
  }
}

export function fail(error) {
  if (closed.until) return;
  const words = error instanceof Refused ? error.message : 'storkit does not answer.';
  toast(error.hint ? `${words} — ${error.hint}` : words, { bad: true });
}

export function connection(state, words) {
  $('#link').className = state;
  $('#link-word').textContent = words;
  $('#link').setAttribute('aria-label', `Connection: ${words}. Settings`);
}

// ---- small things ----
/** The age of all times inside, in one unit. */
export function ages(root = document) {
  const now = Date.now();
  for (const time of $$('time[datetime]:not([data-at])', root)) {
    const at = new Date(time.dateTime);
    const seconds = Math.max(0, (now - at) / 1000);
    const [value, unit] = seconds < 60 ? [seconds, 's'] : seconds < 3600 ? [seconds / 60, 'm']
      : seconds < 86400 ? [seconds / 3600, 'h'] : [seconds / 86400, 'd'];
    const text = `${Math.floor(value)}${unit}`;
    if (time.textContent !== text) time.textContent = text;
    if (!time.title) time.title = at.toLocaleString();
  }
  for (const time of $$('time[data-at]', root)) {
    if (!time.textContent) time.textContent = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'medium' });
  }
}
setInterval(ages, 15000);

/** Makes one node like another: what has the focus, is open or is marked keeps its state. */
export function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || (old.id && old.id !== fresh.id)) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  if (old.hasAttribute('data-keep')) return;
  if (old.type === 'checkbox') old.checked = fresh.checked;
  const kept = ['tabindex', 'open', 'aria-expanded', 'title'];
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !kept.includes(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !(kept.includes(name) && old.hasAttribute(name))) old.setAttribute(name, value);
  }
  if (old.nodeName === 'TIME' && !fresh.firstChild) return;
  const now = [...old.childNodes];
  const next = [...fresh.childNodes];
  next.forEach((node, at) => (now[at] ? morph(now[at], node) : old.append(node)));
  now.slice(next.length).forEach((node) => node.remove());
}

export function remember(key, value) {
  try {
    if (value === undefined) return JSON.parse(localStorage.getItem(key));
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, JSON.stringify(value));
  } catch { /* Storage is full or off: nothing is lost but comfort. */ }
  return null;
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`Copied: ${text}`);
  } catch { toast('The browser does not let this page copy.', { bad: true }); }
}

/** A dialog over the page; gives the focus back when it closes. */
export function dialog(title, inside, { drawer = false } = {}) {
  const from = document.activeElement;
  const box = el('dialog', { class: drawer ? 'drawer' : null, 'aria-label': title }, el('h2', {}, title), ...inside);
  document.body.append(box);
  box.addEventListener('close', () => { box.remove(); (from?.isConnected ? from : $('#main')).focus(); });
  box.addEventListener('click', (event) => event.target === box && box.close());
  box.showModal();
  return box;
}

// ---- events: one stream for all tabs of a browser ----
/** The number of the event up to which this page knows all; the stream goes on from there. */
let seen = null;

/** Calls `heard` with each event, of this tab's stream or of another's; `state` with how the stream is. `ready` is the first look. */
export function follow(heard, state, ready) {
  const hear = (event) => { if (event.id) seen = event.id; heard(event); };
  let leads = null;
  const is = (now) => { leads = now; state(now); tell({ state: now }); };
  onTab((data) => {
    if (data.event) hear(data.event);
    if (data.state) state(data.state);
    if (data.ask === 'state' && leads) tell({ state: leads });
  });
  tell({ ask: 'state' });
  const lead = async () => {
    let wait = 500;
    await ready;
    for (;;) {
      if (closed.until) return;
      try {
        const answer = await authorized(`/api/v1/events${seen === null ? '' : `?since=${seen}`}`);
        if (answer.status === 401) { gate('This session has ended. Open the board again:'); return; }
        if (!answer.ok) throw new Error(String(answer.status));
        wait = 500;
        is('on');
        for await (const event of events(answer.body)) {
          hear(event); tell({ event });
        }
      } catch { /* It comes back below. */ }
      is('off');
      await new Promise((done) => setTimeout(done, wait));
      wait = Math.min(wait * 2, 4000);
    }
  };
  if (navigator.locks) navigator.locks.request('storkit-events', lead);
  else lead();
}

/** The events of a stream as they come. */
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    let end;
    while ((end = rest.indexOf('\n\n')) >= 0) {
      const event = {};
      for (const line of rest.slice(0, end).split('\n')) {
        const at = line.indexOf(':');
        if (at > 0) event[line.slice(0, at)] = line.slice(at + 1).replace(/^ /, '');
      }
      rest = rest.slice(end + 2);
      if (event.data || event.event) yield event;
    }
  }
}
