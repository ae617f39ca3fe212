// The board: getting in, staying live, moving cards by pointer and keys, many cards, and a daemon that restarts.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, test } from 'node:test';
import { Project, close, enter, moved, visit } from './lib.mjs';

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
