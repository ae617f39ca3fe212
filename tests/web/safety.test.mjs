// What hostile text, other pages and other names can do on the board: nothing. And who can use it: everybody.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { after, test } from 'node:test';
import { Project, close, drivers, enter, visit } from './lib.mjs';

after(close);

const HOSTILE = [
  '<script>globalThis.owned=1</script>', '<img src=x onerror=globalThis.owned=1>', '"><svg onload=globalThis.owned=1>',
  "'><iframe srcdoc='<script>parent.owned=1</script>'>", '[x](javascript:globalThis.owned=1)', '<a href="javascript:globalThis.owned=1">x</a>',
  '<style>*{display:none}</style>', '<form action=/api/v1/down method=post><button>x</button></form>', '{{constructor.constructor("owned=1")()}}', '\u202Etxt.exe',
];

test('no text of a story or an agent becomes markup, and no page breaks its policy', async () => {
  const yaml = (text) => JSON.stringify(text);
  const stories = HOSTILE.map((text, at) => ['1_backlog', `${at + 1}_story_x`, `---\nname: ${yaml(text)}\nlabels: [${yaml(text)}]\nhold: ${yaml(text)}\n---\n${text}\n\n## Acceptance criteria\n- [ ] ${text}\n`]);
  stories.push(['2_current', '90_story_wait_x', `---\nname: ${yaml(HOSTILE.join(' '))}\n---\n${HOSTILE.join('\n\n')}\n`]);
  const project = new Project({ stories, agents: 1, say: HOSTILE.join('\n') });
  try {
    const page = await enter(project);
    await page.locator('.card[data-state=running]').waitFor({ timeout: 30000 });
    page.on('dialog', () => assert.fail('a dialog opened'));
    const paths = ['/', '/agents', '/queue', '/usage', '/problems', '/archive', '/keys', '/settings', '/new', '/s/90/live', '/s/90/runs', '/s/90/edit', '/s/90/history', '/s/90'];
    for (const path of [...paths, ...HOSTILE.map((_, at) => `/s/${at + 1}`)]) {
      await page.goto(project.url + path);
      await page.locator(path === '/' ? '.card >> nth=0' : '#main h1').waitFor();
      if (path.endsWith('/live')) await page.locator('.term div', { hasText: 'globalThis.owned' }).first().waitFor();
      const foreign = await page.evaluate(() => ({
        owned: globalThis.owned, tags: [...document.querySelectorAll('main script,main iframe,main style,main img,main form[action],main [onload],main [onerror],main [style]')].filter((one) => !one.matches('.pad,button')).map((one) => one.outerHTML),
        links: [...document.querySelectorAll('a[href]')].map((one) => one.protocol).filter((protocol) => !/^https?:$/.test(protocol)),
      }));
      assert.deepEqual(foreign, { owned: undefined, tags: [], links: [] }, path);
    }
    project.release('90_story_wait_x');
    assert.deepEqual(page.trouble, []);
  } finally { project.end(); }
});

test('axe finds nothing on any page, at three widths and in both themes', async () => {
  const stories = [['1_backlog', '1_story_x', '---\nname: One\nlabels: [a]\n---\n# Head\n\n## Acceptance criteria\n- [x] done\n- [ ] open\n'], ['1_backlog', '2_bug_y', '---\npriority: high\n---\n'],
    ['1_backlog', '3_story_held', '---\nname: Held\nhold: true\n---\n'], ['2_current', '4_story_ask_x', '---\nname: Asks\n---\n'], ['2_current', '5_story_z', '---\nname: Works\n---\n'],
    ['2_current', '6_story_wait_x', '---\nname: Runs\n---\n'], ['5_done', '7_story_d', '---\nname: Done\n---\n'], ['6_archived', '8_story_a', '---\nname: Old\n---\n']];
  const project = new Project({ stories, agents: 3, config: 'max_retries = 1' });
  const axe = fs.readFileSync(drivers.resolve('axe-core/axe.min.js'), 'utf8');
  const found = [];
  try {
    project.up();
    for (const colorScheme of ['light', 'dark']) {
      for (const width of [1440, 1024, 390]) {
        const page = await visit({ colorScheme, viewport: { width, height: 900 }, bypassCSP: true, hasTouch: width === 390 });
        await page.goto(project.open());
        await page.locator('.card[data-state=question]').waitFor({ state: 'attached', timeout: 30000 });
        await page.locator('.card[data-state=review]').waitFor({ state: 'attached', timeout: 30000 });
        const look = async (name) => {
          await page.evaluate(axe);
          const { violations } = await page.evaluate(() => globalThis.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
          for (const one of violations) found.push(`${name} ${width} ${colorScheme}: ${one.id} ${one.nodes.slice(0, 2).map((node) => node.html.slice(0, 120)).join(' | ')}`);
        };
        await look('board');
        if (width !== 390) {
          await page.locator('.card >> nth=0').locator('.more').click();
          await look('menu');
          await page.keyboard.press('Escape');
          await page.locator('.card[data-state=question] .act').click();
          await page.locator('dialog').waitFor();
          await look('drawer');
          await page.keyboard.press('Escape');
        }
        const pages = width === 1024 ? ['/s/4', '/s/5/diff'] : ['/s/1', '/s/4', '/s/5/diff', '/s/5/runs', '/s/6/live', '/s/1/history', '/s/1/edit', '/new', '/agents', '/queue', '/usage', '/problems', '/archive', '/keys', '/settings'];
        for (const path of pages) {
          await page.goto(project.url + path);
          await page.locator('#main h1').waitFor();
          await look(path);
        }
        await page.context().close();
      }
    }
    assert.deepEqual([...new Set(found)], []);
  } finally { project.end(); }
});

test('a page of another origin, and a name that was bound anew, reach nothing', async () => {
  const project = new Project({ stories: [['1_backlog', '1_story_secret', '---\nname: Secret plan\n---\n']], agents: 0 });
  const server = http.createServer((_, answer) => { answer.setHeader('content-type', 'text/html'); answer.end('<h1>elsewhere</h1>'); });
  try {
    project.up();
    const { port } = new URL(project.url);
    await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
    const token = fs.readFileSync(`${project.root}/.storkit/run/token`, 'utf8').trim();
    const page = await visit({ args: ['--host-resolver-rules=MAP rebind.example 127.0.0.1'] });
    await page.goto(`http://localhost:${server.address().port}/`);
    const reached = await page.evaluate(async ({ url, token }) => {
      const tries = {};
      const attempt = async (name, path, init) => { try { const answer = await fetch(url + path, init); tries[name] = answer.type === 'opaque' ? 'opaque' : `${answer.status} ${await answer.text()}`; } catch { tries[name] = 'refused'; } };
      await attempt('read', '/api/v1/status');
      await attempt('read with the token', '/api/v1/status', { headers: { authorization: `Bearer ${token}` } });
      await attempt('a simple post', '/api/v1/requests', { method: 'POST', mode: 'no-cors', body: '{"do":"move","story":"1","to":"done"}' });
      await attempt('a trade', '/api/v1/session', { method: 'POST', mode: 'no-cors', body: '{"code":"x"}' });
      tries.frame = await new Promise((done) => { const frame = document.createElement('iframe'); frame.src = url; frame.onload = () => { try { done(frame.contentDocument ? 'readable' : 'closed'); } catch { done('closed'); } }; document.body.append(frame); });
      tries.socket = await new Promise((done) => { const socket = new WebSocket(`${url.replace('http', 'ws')}/api/v1/runs/x/terminal`, ['storkit', `bearer.${token}`]); socket.onopen = () => done('open'); socket.onerror = () => done('refused'); });
      return tries;
    }, { url: project.url, token });
    assert.deepEqual(reached, { read: 'refused', 'read with the token': 'refused', 'a simple post': 'refused', 'a trade': 'refused', frame: 'closed', socket: 'refused' });
    // The same address by a name of somebody else's: not even the shell.
    const answer = await page.goto(`http://rebind.example:${port}/`);
    assert.equal(answer.status(), 421);
    const again = await page.evaluate(async (token) => (await fetch('/api/v1/status', { headers: { authorization: `Bearer ${token}` } })).status, token).catch(() => 421);
    assert.equal(again, 421);
    assert.ok(fs.existsSync(project.file('1_backlog', '1_story_secret')), 'nothing was moved');
  } finally { server.close(); project.end(); }
});

test('at 200 % of 1,280 pixels no page scrolls sideways', async () => {
  const long = 'Averylongtitlewithoutaspace'.repeat(4);
  const project = new Project({ stories: [['1_backlog', '1_story_x', `---\nname: ${long}\n---\n- ${long}\n`], ['2_current', '2_story_y', '---\nname: Works\n---\n']], agents: 1 });
  try {
    project.up();
    const page = await visit({ viewport: { width: 640, height: 450 }, deviceScaleFactor: 2 });
    await page.goto(project.open());
    await page.locator('.card[data-state=review]').waitFor({ state: 'attached', timeout: 30000 });
    for (const path of ['/', '/s/1', '/s/2', '/s/2/diff', '/s/2/runs', '/s/2/live', '/s/1/edit', '/new', '/agents', '/queue', '/usage', '/problems', '/keys', '/settings']) {
      await page.goto(project.url + path);
      await page.locator(path === '/' ? '.card >> nth=0' : '#main h1').waitFor({ state: 'attached' });
      const wide = await page.evaluate(() => [document.documentElement, document.querySelector('#main')].map((one) => one.scrollWidth - one.clientWidth));
      assert.deepEqual(wide, [0, 0], path);
    }
    assert.deepEqual(page.trouble, []);
  } finally { project.end(); }
});
