// An agent at work: what it says and does, and its terminal, both set as text and never as markup. Read only, until one types.

import { $, $$, el, api, authorized, events, fragment, remember, socket, say, toast } from './core.js';

const LINES_MAX = 2000;

export function live(page) {
  const pane = $('#term', page);
  if (!pane) return {};
  document.head.append(el('link', { rel: 'stylesheet', href: '/assets/terminal.css' }));
  const { run, state: story, speaks } = page.dataset;
  const said = $('#term-state', page), button = $('#term-follow', page), type = $('#term-type', page);
  const stop = new AbortController();
  let rows = [], following = true, fresh = 0, keys = null, top = 0;

  const line = (pieces, into = el('div')) => {
    into.replaceChildren(...pieces.map(([text, looks]) => (looks ? el('span', { class: looks }, text) : text)));
    return into;
  };
  const bottom = () => { pane.scrollTop = pane.scrollHeight; };
  const follow = (on) => { following = on; if (on) { fresh = 0; bottom(); } tell(); };
  const tell = () => { button.hidden = following || pane.hidden; button.textContent = `↓ Follow${fresh ? `, ${fresh} new` : ''}`; };
  function draw({ size: [, height], gone, rows: changed }) {
    const first = rows[0];
    for (const pieces of gone) pane.insertBefore(line(pieces), first ?? null);
    while (rows.length > height) rows.pop().remove();
    while (rows.length < height) { const row = el('div'); rows.push(row); pane.append(row); }
    for (const [at, pieces] of changed) if (rows[at]) line(pieces, rows[at]);
    while (pane.childElementCount > LINES_MAX) pane.firstChild.remove();
    fresh += gone.length;
    if (following && getSelection().isCollapsed) bottom(); else tell();
  }

  // ---- transcript ----
  const text = $('#said', page), wide = matchMedia('(min-width:1180px)');
  let next = null, timer = null, over = false;
  const quiet = () => stop.signal.aborted || document.hidden || text.hidden;
  /** What is new in the run's log, line by line; of a long one the end. */
  async function read() {
    clearTimeout(timer);
    try {
      for (let more = true; more && !quiet();) {
        const piece = fragment(await api(`/ui/log/${run}${next === null ? '' : `?from=${next}`}`, { signal: stop.signal })).firstElementChild;
        const low = text.scrollHeight - text.scrollTop - text.clientHeight < 8;
        for (const line of piece.textContent.split('\n').slice(0, -1)) if (line) text.append(el('p', { class: line.startsWith('— ') ? 'note' : null }, line));
        while (text.childElementCount > LINES_MAX) text.firstChild.remove();
        if (low && getSelection().isCollapsed) text.scrollTop = text.scrollHeight;
        more = piece.dataset.next !== next && piece.dataset.next < piece.dataset.size;
        ({ next } = piece.dataset);
      }
    } catch { /* Looked at again below. */ }
    if (!stop.signal.aborted && !over) timer = setTimeout(read, 1500);
  }
  /** Beside each other where there is room, else one of the two. */
  function face(which) {
    const both = wide.matches && speaks === '';
    const chosen = which ?? remember('face') ?? (speaks === '' ? 'transcript' : 'terminal');
    text.hidden = !both && chosen !== 'transcript';
    pane.hidden = !both && chosen !== 'terminal';
    for (const button of $$('[data-face]', page)) { button.hidden = both; button.setAttribute('aria-pressed', String(button.dataset.face === chosen)); }
    if (which) remember('face', which);
    if (!text.hidden) read();
    if (!pane.hidden && following) bottom();
    tell();
  }
  for (const button of $$('[data-face]', page)) button.addEventListener('click', () => face(button.dataset.face));
  wide.addEventListener('change', () => face(), { signal: stop.signal });

  (async () => {
    try {
      const answer = await authorized(`/ui/screen/${run}`, { signal: stop.signal });
      if (!answer.ok) { said.textContent = 'There is no recording of this run.'; return; }
      said.textContent = 'Live';
      type.hidden = !/running|preparing/.test(story);
      for await (const event of events(answer.body)) {
        if (event.event === 'screen') draw(JSON.parse(event.data));
        if (event.event === 'over') { said.textContent = 'The run is over.'; type.hidden = true; quit(); await read(); over = true; return; }
      }
    } catch (error) { if (error.name !== 'AbortError') said.textContent = 'The connection was lost.'; }
  })();

  pane.addEventListener('scroll', () => {
    // Only who scrolls up stops following; what is added below moves nobody.
    const at = pane.scrollHeight - pane.scrollTop - pane.clientHeight < 8;
    if (following ? pane.scrollTop < top - 4 : at) follow(at);
    top = pane.scrollTop;
  }, { passive: true });
  button.addEventListener('click', () => follow(true));

  // ---- typing ----
  function quit() {
    keys?.close();
    keys = null;
    pane.classList.remove('typing');
    type.textContent = 'Type into it';
  }
  type.addEventListener('click', () => {
    if (keys) { quit(); return; }
    keys = socket(`/api/v1/runs/${run}/terminal`);
    keys.addEventListener('open', () => keys.send('"claim"'));
    keys.addEventListener('message', ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.writer === false) { toast('Somebody else types into it.', { bad: true }); quit(); }
      if (frame.writer !== true) return;
      pane.classList.add('typing');
      type.textContent = 'Stop typing (Ctrl ])';
      say('The terminal has the keyboard. Control and ] gives it back.');
      pane.focus();
    });
    keys.addEventListener('close', quit);
  });
  const NAMED = { Enter: '\r', Backspace: '\x7f', Tab: '\t', Escape: '\x1b', ArrowUp: '\x1b[A', ArrowDown: '\x1b[B', ArrowRight: '\x1b[C', ArrowLeft: '\x1b[D', Home: '\x1b[H', End: '\x1b[F', Delete: '\x1b[3~', PageUp: '\x1b[5~', PageDown: '\x1b[6~' };
  pane.addEventListener('keydown', (event) => {
    if (!keys || !pane.classList.contains('typing')) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.ctrlKey && event.key === ']') { quit(); say('The page has the keyboard again.'); return; }
    const letter = event.key.length === 1 ? (event.ctrlKey ? String.fromCharCode(event.key.toUpperCase().charCodeAt(0) & 31) : event.key) : '';
    const text = NAMED[event.key] ?? letter;
    if (text) keys.send(JSON.stringify({ in: text }));
  });
  pane.addEventListener('paste', (event) => { if (keys) { event.preventDefault(); keys.send(JSON.stringify({ in: event.clipboardData.getData('text') })); } });

  face();
  return {
    heard: () => {}, refresh: () => {},
    leave: () => { stop.abort(); clearTimeout(timer); quit(); },
    key: (event) => {
      if (event.key === 'f') follow(!following);
      else if (event.key === 'i' && !type.hidden) { if (pane.hidden) face('terminal'); type.click(); }
      else if (event.key === 't' && !$('[data-face]', page).hidden) face(pane.hidden ? 'terminal' : 'transcript');
      else return false;
      return true;
    },
  };
}
