// The board: getting in, staying live, moving cards by pointer and keys, many cards, and a daemon that restarts.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, test } from 'node:test';
import { Project, close, enter, moved, until, visit } from './lib.mjs';

after(close);
const story = (name, more = '') => `---\nname: "${name}"\n${more}---\nText.\n`;
const card = (page, id) => page.locator(`[id="c-${id}"]`);
const column = (page, stage) => page.locator(`.col[data-stage=${stage}]`);

test('a page gets in by a code that works once, and shows nothing without one', async () => {
  const project = new Project({ stories: [['1_backlog', '1_story_secret', story('Secret plan')]] });
  try {
    project.up();
    const page = await visit();
    await page.goto(project.url);
    await page.getByText('This page needs a code').waitFor();
    assert.ok(!(await page.content()).includes('Secret plan'));
    const address = project.open();
    await page.goto(address);
    await card(page, '1_story_secret').waitFor();
    assert.equal(new URL(page.url()).hash, '', 'the code is gone from the address');
    assert.equal(await page.title(), 'Board · myproj — storkit');
    // A second tab of the same browser is let in by the first; another browser is not let in by a used code.
    const second = await page.context().newPage();
    await second.goto(project.url);
    await card(second, '1_story_secret').waitFor();
    const other = await visit();
    await other.goto(address);
    await other.getByText('This code has been used').waitFor();
    assert.deepEqual([...page.trouble, ...other.trouble], []);
  } finally { project.end(); }
});

test('the board follows the files without a reload, and nothing jumps', async () => {
  const stories = Array.from({ length: 30 }, (_, at) => ['1_backlog', `${at + 1}_story_x`, story(`Story ${at + 1}`)]);
  const project = new Project({ stories, agents: 0 });
  try {
    const page = await enter(project);
    await card(page, '1_story_x').waitFor();
    await page.evaluate(() => {
      globalThis.kept = document.body.dataset.kept = 'yes';
      globalThis.shift = [];
      new PerformanceObserver((list) => { for (const entry of list.getEntries()) globalThis.shift.push(...entry.sources.map((source) => source.node?.outerHTML?.slice(0, 80))); }).observe({ type: 'layout-shift' });
    });
    const list = column(page, 'backlog').locator('.list');
    await list.evaluate((node) => { node.scrollTop = 700; });
    await card(page, '12_story_x').locator('h3 a').focus();
    const top = await card(page, '12_story_x').evaluate((node) => node.getBoundingClientRect().top);
    // A card above what is seen goes, another changes its title, a new one comes.
    project.move('2_story_x', '1_backlog', '5_done');
    project.story('1_backlog', '3_story_x', story('A new title'));
    project.story('1_backlog', '31_story_new', story('New'));
    await column(page, 'done').locator('[id="c-2_story_x"]').waitFor();
    await card(page, '31_story_new').waitFor({ state: 'attached' });
    assert.equal(await card(page, '3_story_x').locator('h3').textContent(), 'A new title');
    assert.equal(await page.evaluate(() => document.body.dataset.kept), 'yes', 'the page was not loaded again');
    assert.equal(await page.evaluate(() => document.activeElement.closest('.card').dataset.id), '12_story_x');
    const now = await card(page, '12_story_x').evaluate((node) => node.getBoundingClientRect().top);
    assert.ok(Math.abs(now - top) < 2, `the card moved by ${now - top} px`);
    assert.deepEqual(await page.evaluate(() => globalThis.shift), []);
    assert.deepEqual(page.trouble, []);
  } finally { project.end(); }
});

test('nothing is missed between the first look and the stream, and no look undoes a scroll', async () => {
  const stories = Array.from({ length: 300 }, (_, at) => ['1_backlog', `${at + 1}_story_x`, story(`Story ${at + 1}`)]);
  const project = new Project({ stories, agents: 0 });
  try {
    project.up();
    const page = await visit();
    // The stream begins late: a change comes between.
    let begin;
    const changed = new Promise((done) => { begin = done; });
    await page.route('**/api/v1/events*', async (route) => { await changed; await route.continue(); });
    const asked = [];
    page.on('request', (request) => { if (/\/ui\/sync|\/events/.test(request.url())) asked.push(request.url()); });
    await page.goto(project.open());
    await card(page, '1_story_x').waitFor();
    project.story('1_backlog', '1_story_x', story('Changed meanwhile'));
    await until(() => project.status().stories[0].name === 'Changed meanwhile');
    begin();
    await card(page, '1_story_x').getByText('Changed meanwhile').waitFor({ timeout: 5000 });
    assert.match(asked.find((url) => url.includes('/events')), /[?]since=\d+$/);

    // An answer that was asked for before the scroll comes after it.
    let answer;
    const held = new Promise((done) => { answer = done; });
    let first = true;
    await page.route('**/ui/sync', async (route) => { const mine = first; first = false; const response = await route.fetch(); if (mine) await held; await route.fulfill({ response }); });
    const waits = page.waitForRequest('**/ui/sync');
    project.story('1_backlog', '2_story_x', story('Another change'));
    await waits;
    const list = column(page, 'backlog').locator('.list');
    await list.evaluate((node) => { node.scrollTop = node.scrollHeight; });
    const end = await list.evaluate((node) => node.scrollTop);
    answer();
    await card(page, '300_story_x').waitFor();
    assert.ok(Math.abs(await list.evaluate((node) => node.scrollTop) - end) < 40, 'the column stayed at its end');
    await page.unrouteAll({ behavior: 'ignoreErrors' });
    assert.deepEqual(page.trouble, []);
  } finally { project.end(); }
});

test('a card is dragged to another column, and put back by Escape', async () => {
  const project = new Project({ stories: [['1_backlog', '1_story_x', story('Drag me')], ['1_backlog', '2_story_y', story('Stay')]], agents: 0 });
  try {
    const page = await enter(project);
    const at = async (locator) => { const box = await locator.boundingBox(); return [box.x + box.width / 2, box.y + 30]; };
    const drag = async (id, stage) => {
      await page.mouse.move(...await at(card(page, id)));
      await page.mouse.down();
      await page.mouse.move(...await at(column(page, stage)), { steps: 8 });
    };
    await card(page, '1_story_x').waitFor();
    await drag('1_story_x', 'merge');
    await column(page, 'merge').getByText('skips review, lands after gates').waitFor();
    await page.keyboard.press('Escape');
    await page.mouse.up();
    assert.ok(fs.existsSync(project.file('1_backlog', '1_story_x')));
    assert.equal(await page.locator('.ghost').count(), 0);
    await drag('1_story_x', 'done');
    await page.mouse.up();
    await moved(project, '1_story_x', '5_done');
    await column(page, 'done').locator('[id="c-1_story_x"]').waitFor();
    // What was done can be undone.
    await page.getByRole('button', { name: 'Undo' }).click();
    await moved(project, '1_story_x', '1_backlog');
    assert.deepEqual(page.trouble, []);
  } finally { project.end(); }
});

test('keys alone move a card, and a screen reader is told', async () => {
  const project = new Project({ stories: [['1_backlog', '1_story_x', story('Log in')], ['1_backlog', '2_story_y', story('Log out')]], agents: 0 });
  try {
    const page = await enter(project);
    const said = (text) => page.waitForFunction((text) => document.querySelector('#live').textContent.includes(text), text);
    await card(page, '1_story_x').waitFor();
    await page.keyboard.press('j');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Log in');
    await page.keyboard.press('Space');
    await said('1 Log in lifted. Backlog, column 1 of 6.');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await said('QA, column 3 of 6, 0 stories. Waits for review.');
    await page.keyboard.press('Escape');
    await said('Cancelled, 1 stays in Backlog.');
    await page.keyboard.press('Space');
    await page.keyboard.press('End');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('Enter');
    await moved(project, '1_story_x', '5_done');
    await said('1 moved to Done.');
    await column(page, 'done').locator('[id="c-1_story_x"] h3 a:focus').waitFor();
    // By the menu and a digit, and at once.
    await card(page, '2_story_y').locator('h3 a').focus();
    await page.keyboard.press('m');
    await page.keyboard.press('5');
    await moved(project, '2_story_y', '5_done');
    await column(page, 'done').locator('[id="c-2_story_y"]').waitFor();
    await page.keyboard.press('Shift+ArrowRight');
    await moved(project, '2_story_y', '6_archived');
    assert.deepEqual(page.trouble, []);
  } finally { project.end(); }
});

test('2,000 stories: counted, paged, true to the last card, and quick', async () => {
  const stories = Array.from({ length: 2000 }, (_, at) => [at < 1500 ? '1_backlog' : '5_done', `${at + 1}_story_x`, story(`Story number ${at + 1}`)]);
  const project = new Project({ stories, agents: 0 });
  try {
    const page = await enter(project);
    await card(page, '1_story_x').waitFor();
    await page.reload();
    await card(page, '1_story_x').waitFor();
    const { nodes, paint, ready } = await page.evaluate(() => ({
      nodes: document.querySelectorAll('*').length,
      paint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime,
      ready: performance.now(),
    }));
    console.log(`2,000 stories: ${nodes} nodes, first paint ${Math.round(paint)} ms, cards there before ${Math.round(ready)} ms`);
    assert.ok(nodes <= 12000, `${nodes} nodes`);
    assert.equal(await column(page, 'backlog').locator('h2 span').textContent(), '1,500');
    const list = column(page, 'backlog').locator('.list');
    const height = await list.evaluate((node) => node.scrollHeight);
    await list.evaluate((node) => { node.scrollTop = node.scrollHeight; });
    await card(page, '1500_story_x').waitFor();
    assert.ok(Math.abs(await list.evaluate((node) => node.scrollHeight) - height) < 40, 'the scroll bar was true');
    assert.ok(await page.evaluate(() => document.querySelectorAll('*').length) <= 12000);
    await page.keyboard.press('/');
    await page.keyboard.type('number 1777');
    await column(page, 'done').locator('[id="c-1777_story_x"]').waitFor();
    await page.waitForFunction(() => document.querySelectorAll('.card').length === 1);
    assert.deepEqual(page.trouble, []);
  } finally { project.end(); }
});

test('a page survives the daemon: it says so, keeps the board, and catches up', async () => {
  const project = new Project({ stories: [['1_backlog', '1_story_x', story('Before')]], agents: 0 });
  try {
    const page = await enter(project);
    await card(page, '1_story_x').waitFor();
    await page.locator('#link.on').waitFor();
    const { port } = new URL(project.url);
    project.down();
    await page.getByText('Reconnecting…').waitFor();
    assert.equal(await card(page, '1_story_x').count(), 1, 'what was known stays');
    await page.getByText('storkit is not running').waitFor({ timeout: 20000 });
    project.story('1_backlog', '2_story_y', story('While it was down'));
    project.up(Number(port));
    await page.locator('#link.on').waitFor({ timeout: 20000 });
    await card(page, '2_story_y').waitFor();
    assert.ok(await page.locator('#notice').isHidden());
    assert.deepEqual(page.trouble, []);
  } finally { project.end(); }
});

test('cards say how far they are: tries, gates, what there is to review, places in the queue, and stand in order', async () => {
  const gate = (name) => `[[gate]]\nname = "${name}"\nrun = "while [ ! -e $GO/${name} ]; do sleep 0.1; done"\n`;
  const stories = [['2_current', '5_story_a', story('First', 'priority: 5\n')], ['4_merge', '8_story_m', story('Lands later')], ['5_done', '1_story_d', story('Done')]];
  const project = new Project({ stories, agents: 1, config: `max_retries = 4\n${['lint', 'tests'].map(gate).join('').replaceAll('$GO', '@GO@')}` });
  const file = `${project.root}/.storkit/project.toml`;
  fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replaceAll('@GO@', project.go));
  project.run('git', 'commit', '-qam', 'gates');
  try {
    const page = await enter(project);
    const a = card(page, '5_story_a');
    await a.getByText('Gates 1/2').waitFor({ timeout: 30000 });
    project.release('lint');
    await a.getByText('Gates 2/2').waitFor({ timeout: 30000 });
    await a.getByTitle('Try 1/4').waitFor();
    assert.match(await card(page, '8_story_m').locator('.why').textContent(), /^Place 1 · /);
    // One that comes later stands last, whatever its priority.
    project.story('2_current', '6_story_wait_b', story('Second', 'priority: 1\n'));
    await card(page, '6_story_wait_b').waitFor();
    const order = async (stage) => column(page, stage).locator('.card').evaluateAll((cards) => cards.map((one) => one.dataset.id));
    assert.deepEqual(await order('current'), ['5_story_a', '6_story_wait_b']);
    project.release('tests');
    await a.and(page.locator('[data-state=review]')).waitFor({ timeout: 30000 });
    await a.getByText(/^[+]\d+ −\d+ in 2 files$/).waitFor();
    project.story('5_done', '2_story_e', story('Done later'));
    await card(page, '2_story_e').waitFor();
    assert.deepEqual(await order('done'), ['2_story_e', '1_story_d']);
    assert.deepEqual(page.trouble, []);
  } finally { project.end(); }
});

test('what cannot be sent is off without a connection, and says why; the icon tells of what needs a person', async () => {
  const project = new Project({ stories: [['2_current', '1_story_x', story('Held', 'hold: true\n')]], agents: 0 });
  try {
    const page = await enter(project);
    const start = card(page, '1_story_x').locator('.act');
    await start.waitFor();
    assert.match(await page.locator('link[rel=icon]').getAttribute('href'), /icon\.svg$/);
    project.story('1_backlog', '2_story_y', '---\npriority: high\n---\n');
    await page.locator('link[rel=icon][href$="icon-dot.svg"]').waitFor({ state: 'attached' });
    const { port } = new URL(project.url);
    project.down();
    await page.locator('.act[title="Not connected"]').first().waitFor();
    assert.ok(await start.isDisabled());
    await card(page, '1_story_x').locator('.more').click();
    const hold = page.getByRole('menuitem', { name: /^Retry/ });
    assert.ok(await hold.isDisabled());
    assert.equal(await hold.getAttribute('title'), 'Not connected');
    assert.ok(await page.getByRole('menuitem', { name: /^Copy id/ }).isEnabled());
    await page.keyboard.press('Escape');
    await page.keyboard.press('Shift+ArrowRight');
    await page.getByText('Not connected: nothing was sent.').waitFor();
    project.up(Number(port));
    await page.locator('#link.on').waitFor({ timeout: 20000 });
    assert.ok(await start.isEnabled());
    assert.equal(await start.getAttribute('title'), null);
    assert.deepEqual(page.trouble, []);
  } finally { project.end(); }
});

test('new cards above are told by a pill, and come into view by it', async () => {
  const stories = Array.from({ length: 40 }, (_, at) => ['1_backlog', `${at + 1}_story_x`, story(`Story ${at + 1}`)]);
  const project = new Project({ stories, agents: 0 });
  try {
    const page = await enter(project);
    await card(page, '1_story_x').waitFor();
    const list = column(page, 'backlog').locator('.list');
    await list.evaluate((node) => { node.scrollTop = 900; });
    const top = await card(page, '12_story_x').evaluate((node) => node.getBoundingClientRect().top);
    for (const at of [50, 51]) project.story('1_backlog', `${at}_story_urgent`, story('Urgent', 'priority: 1\n'));
    const pill = page.getByRole('button', { name: '2 new ↑' });
    await pill.waitFor();
    assert.ok(Math.abs(await card(page, '12_story_x').evaluate((node) => node.getBoundingClientRect().top) - top) < 2);
    await pill.click();
    await card(page, '50_story_urgent').waitFor();
    assert.ok(await list.evaluate((node) => node.scrollTop) === 0);
    await pill.waitFor({ state: 'hidden' });
    assert.deepEqual(page.trouble, []);
  } finally { project.end(); }
});

test('the list of commands runs what is typed; a priority changes its key alone; what is deleted comes back', async () => {
  const text = '---\nname: "Keep"   # a comment\nlabels: [a, b]\n---\nText.\n';
  const project = new Project({ stories: [['1_backlog', '1_story_x', text], ['1_backlog', '2_story_y', story('Other')]], agents: 0 });
  const file = project.file('1_backlog', '1_story_x');
  try {
    const page = await enter(project);
    await card(page, '1_story_x').locator('h3 a').focus();
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Command' }).fill('priority 2');
    await page.getByRole('option', { name: '1: Priority 2' }).waitFor();
    await page.keyboard.press('Enter');
    await until(() => /priority: 2/.test(fs.readFileSync(file, 'utf8')));
    assert.equal(fs.readFileSync(file, 'utf8').replace(/priority: 2\n/, ''), text, 'nothing else was touched');
    await card(page, '1_story_x').getByText('P2').waitFor();
    // By its letter and a digit, too.
    await card(page, '1_story_x').locator('h3 a').focus();
    await page.keyboard.press('p');
    await page.keyboard.press('1');
    await until(() => /priority: 1/.test(fs.readFileSync(file, 'utf8')));
    await card(page, '1_story_x').locator('.more').click();
    await page.getByRole('menuitem', { name: 'Delete' }).click();
    await card(page, '1_story_x').waitFor({ state: 'detached' });
    assert.ok(!fs.existsSync(file));
    await page.getByRole('button', { name: 'Undo' }).click();
    await until(() => fs.existsSync(file));
    assert.match(fs.readFileSync(file, 'utf8'), /# a comment/);
    await card(page, '1_story_x').waitFor();
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Command' }).fill('usage');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Usage' }).waitFor();
    assert.deepEqual(page.trouble, []);
  } finally { project.end(); }
});
