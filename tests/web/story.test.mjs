// A story from its making to the verdict: forms, a question, the terminal, the review.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, test } from 'node:test';
import { Project, close, enter, state, until, visit } from './lib.mjs';

after(close);
const story = (name, more = '') => `---\nname: "${name}"\n${more}---\nText.\n`;
const read = (project, folder, id) => fs.readFileSync(project.file(folder, id), 'utf8');

test('a story is created with a preview, checked as it is typed, and edited without losing a save', async () => {
  const project = new Project({ agents: 1 });
  try {
    const page = await enter(project);
    await page.getByText('No stories.').waitFor();
    await page.keyboard.press('c');
    await page.getByLabel('Title').fill('Log in: "with" a passkey #1');
    await page.getByLabel('Depends on').fill('99');
    await page.getByLabel('What is wanted').fill('As a **user**\n\n## Acceptance criteria\n- [ ] it works\n');
    await page.locator('#preview strong', { hasText: 'user' }).waitFor();
    // What is typed outlives a reload.
    await page.reload();
    await page.waitForFunction((title) => document.querySelector('#title')?.value === title, 'Log in: "with" a passkey #1');
    await page.getByLabel('Depends on').fill('');
    await page.getByLabel('Title').press('Control+Enter');
    await page.getByRole('heading', { level: 1, name: /passkey #1/ }).waitFor();
    const [id] = fs.readdirSync(`${project.root}/.storkit/work/1_backlog`).map((name) => name.replace(/\.md$/, ''));
    assert.match(read(project, '1_backlog', id), /name: "Log in: \\"with\\" a passkey #1"/);

    await page.keyboard.press('e');
    const text = page.locator('#text');
    await text.fill(`---\nname: Passkey\npriority: high\n---\nBody.\n`);
    await page.locator('#problems', { hasText: 'Line 3' }).waitFor();
    await text.fill(`---\nname: Passkey\n---\nMine.\n`);
    // Meanwhile somebody saves the file.
    project.story('1_backlog', id, `---\nname: Passkey\n---\nTheirs.\n`);
    await text.press('Control+Enter');
    await page.getByText('The file has changed meanwhile').first().waitFor();
    assert.match(read(project, '1_backlog', id), /Theirs/);
    await page.getByRole('button', { name: 'Overwrite with mine' }).click();
    await page.locator('.split .md', { hasText: 'Mine.' }).waitFor();
    assert.match(read(project, '1_backlog', id), /Mine/);
    assert.deepEqual(page.trouble, []);
  } finally { project.end(); }
});

test('a question is answered where it is asked, by a tap on one of its answers', async () => {
  const project = new Project({ stories: [['2_current', '1_story_ask_x', story('Passkeys')]], agents: 1 });
  try {
    const page = await enter(project);
    await page.locator('.card[data-state=question]').waitFor({ timeout: 30000 });
    await page.keyboard.press('n');
    await page.keyboard.press('a');
    const drawer = page.locator('dialog.drawer');
    await drawer.getByText('Should an expired passkey log the user out at once').waitFor();
    await drawer.getByRole('button', { name: 'at the next request' }).click();
    assert.equal(await drawer.locator('textarea').inputValue(), 'at the next request');
    await drawer.locator('textarea').press('Control+Enter');
    await drawer.waitFor({ state: 'detached' });
    await until(() => /### Answer\n+at the next request/.test(read(project, '2_current', '1_story_ask_x')));
    assert.deepEqual(page.trouble, []);
  } finally { project.end(); }
});

test('work is reviewed: comments on lines reach the story and so the agent, approval lands it', async () => {
  const project = new Project({ stories: [['2_current', '1_story_x', story('Time zones')]], agents: 1 });
  try {
    const page = await enter(project);
    await page.locator('.card[data-state=review]').waitFor({ timeout: 30000 });
    await page.getByRole('button', { name: 'Review 1' }).click();
    const file = page.locator('.file[data-path="src/session.rs"]');
    await file.locator('.ln.a', { hasText: 'account.time_zone()' }).locator('button').click();
    await page.locator('.comment textarea').fill('Take tz by reference.');
    await page.locator('.comment textarea').press('Control+Enter');
    // A comment outlives a reload.
    await page.reload();
    assert.equal(await page.locator('.comment textarea').inputValue(), 'Take tz by reference.');
    await page.getByText('1 comment goes under ## Review notes').waitFor();
    await page.locator('h1').click();
    await page.keyboard.press('R');
    const sent = () => ['2_current', '3_qa'].map((folder) => project.file(folder, '1_story_x')).filter((path) => fs.existsSync(path)).map((path) => fs.readFileSync(path, 'utf8'))[0] ?? '';
    await until(() => /### Rejection 1/.test(sent()));
    assert.match(sent(), /src\/session\.rs:5\s+let tz = account\.time_zone\(\);\s+Take tz by reference\./);
    // The agent works again: what is new since the review is shown by itself, side by side too, then all of it.
    await page.locator('.card[data-state=review]').waitFor({ timeout: 30000 });
    await page.goto(`${project.url}/s/1/diff`);
    await page.locator('.ln.a', { hasText: 'account.time_zone()' }).waitFor();
    await page.getByRole('button', { name: 'Since your last review' }).click();
    await page.waitForURL(/since=[0-9a-f]{40}/);
    await page.locator('#since option[value]:not([value=""])[selected]').waitFor({ state: 'attached' });
    await page.locator('.ln.a', { hasText: 'Session::open' }).first().waitFor();
    assert.equal(await page.locator('.ln.a', { hasText: 'account.time_zone()' }).count(), 0);
    await page.getByLabel('Split').check();
    const [old, fresh] = await page.locator('.chg .ln.a, .code-t > .ln').first().evaluate((row) => [row.getBoundingClientRect().left, row.closest('.code-t').getBoundingClientRect().left]);
    assert.ok(old >= fresh);
    await page.locator('#since').selectOption('');
    await page.locator('.ln.a', { hasText: 'account.time_zone()' }).waitFor();
    const halves = await page.locator('.chg', { has: page.locator('.ln.d') }).first().evaluate((change) => ['.d', '.a'].map((one) => change.querySelector(one).getBoundingClientRect()).map(({ left, top, width }) => [left, top, width]));
    assert.ok(halves[0][1] === halves[1][1] && halves[1][0] >= halves[0][0] + halves[0][2], 'what went and what came stand side by side');
    // A comment on several lines.
    await page.locator('.ln.a', { hasText: 'local_day' }).first().locator('button').focus();
    await page.keyboard.press('Shift+ArrowDown');
    await page.keyboard.press('c');
    await page.getByLabel(/^Comment on lines \d+ to \d+ of src\/session\.rs$/).waitFor();
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.locator('#approve').waitFor();
    await page.keyboard.press('A');
    await until(() => fs.existsSync(project.file('5_done', '1_story_x')), 30000);
    assert.match(project.run('git', 'log', '-1', '--format=%s'), /Time zones/);
    assert.deepEqual(page.trouble, []);
  } finally { project.end(); }
});

test('a terminal is followed live and typed into, and a run is read afterwards', async () => {
  const project = new Project({ stories: [['2_current', '1_story_wait_x', story('Waits')]], agents: 1 });
  try {
    const page = await enter(project);
    await page.locator('.card[data-state=running]').waitFor({ timeout: 30000 });
    await page.goto(`${project.url}/s/1/live`);
    await page.locator('.term div', { hasText: 'reading src/session.rs' }).first().waitFor();
    assert.equal(await page.locator('.term .f2').first().textContent(), 'reading');
    await page.getByRole('button', { name: 'Type into it' }).click();
    await page.locator('.term.typing').waitFor();
    // One character, as the agent prints between any two.
    await page.keyboard.type('~');
    await page.locator('.term div', { hasText: '~' }).first().waitFor();
    await page.keyboard.press('Control+]');
    assert.equal(await page.locator('.term.typing').count(), 0);
    project.release('1_story_wait_x');
    await page.getByText('The run is over.').waitFor({ timeout: 30000 });
    await until(() => state(project, '1_story_wait_x') === 'review', 30000);
    await page.goto(`${project.url}/s/1/runs`);
    await page.locator('details.run[open] .log', { hasText: 'turn 1: reading' }).waitFor();
    assert.deepEqual(page.trouble, []);
  } finally { project.end(); }
});

test('a criterion is ticked where it is read, and nothing but its byte changes', async () => {
  const text = `---\nname: "Boxes"\n---\n- [ ] not a criterion\n\n## Acceptance criteria\n- [x] one\n- [ ] two\n`;
  const project = new Project({ stories: [['1_backlog', '1_story_x', text]], agents: 0 });
  try {
    const page = await enter(project);
    await page.goto(`${project.url}/s/1`);
    await page.getByText('1 of 2 met').waitFor();
    assert.ok(await page.getByRole('checkbox').first().isDisabled(), 'no criterion, no tick');
    await page.getByRole('checkbox', { name: 'Criterion 2' }).check();
    await until(() => read(project, '1_backlog', '1_story_x') === text.replace('[ ] two', '[x] two'));
    await page.getByText('2 of 2 met').waitFor();
    await page.getByRole('checkbox', { name: 'Criterion 1' }).uncheck();
    await until(() => read(project, '1_backlog', '1_story_x') === text.replace('[ ] two', '[x] two').replace('[x] one', '[ ] one'));
    assert.deepEqual(page.trouble, []);
  } finally { project.end(); }
});

test('from one story that needs a person to the next', async () => {
  const broken = '---\npriority: high\n---\n';
  const project = new Project({ stories: [1, 2, 3].map((at) => ['1_backlog', `${at}_story_x`, broken]), agents: 0 });
  try {
    const page = await enter(project);
    await page.goto(`${project.url}/s/1`);
    const next = page.getByRole('link', { name: 'Next ›' });
    await next.waitFor();
    const seen = new Set();
    for (let at = 0; at < 3; at += 1) {
      const h1 = await page.locator('#main h1').textContent();
      seen.add(h1);
      await page.keyboard.press('n');
      await page.waitForFunction((before) => document.querySelector('#main h1')?.textContent !== before, h1);
      if (await page.locator('#main article > form').count()) await page.locator('h1').click();
      await next.waitFor();
    }
    assert.equal(seen.size, 3);
    assert.deepEqual(page.trouble, []);
  } finally { project.end(); }
});

test('runs stand in time; a log is leafed through and searched whole', async () => {
  const lines = Array.from({ length: 30000 }, (_, at) => `line ${at} of the output`).join('\n');
  const project = new Project({ stories: [['2_current', '1_story_x', story('Much')]], agents: 1, say: lines, config: '[[gate]]\nname = "tests"\nrun = "sleep 0.3; echo all green"\n' });
  try {
    const page = await enter(project);
    await page.locator('.card[data-state=review]').waitFor({ timeout: 60000 });
    await page.goto(`${project.url}/s/1/runs`);
    const bar = page.locator('svg.bar');
    await bar.waitFor();
    assert.match(await bar.getAttribute('aria-label'), /^(waited [^,]+, )?prepared [^,]+, ran [^,]+, gates /);
    assert.ok(await bar.locator('rect').count() >= 3);
    const log = page.locator('[data-log]').last();
    assert.equal(await log.getByText('line 7 of').count(), 0, 'the beginning is not there yet');
    await log.getByRole('button', { name: 'Begin' }).click();
    await log.locator('pre', { hasText: 'line 7 of' }).waitFor();
    await log.getByRole('button', { name: 'Later ›' }).click();
    await log.locator('pre:not([data-from="0"])').waitFor();
    await log.getByRole('searchbox').fill('LINE 15000 OF');
    await page.keyboard.press('Enter');
    await log.locator('.hit.now', { hasText: 'line 15000 of' }).waitFor();
    await log.getByText('1 of 1', { exact: true }).waitFor();
    await log.getByRole('searchbox').fill('nowhere');
    await page.keyboard.press('Enter');
    await log.getByText('Not found.').waitFor();
    // The live page has both faces.
    await page.goto(`${project.url}/s/1/live`);
    await page.getByRole('button', { name: 'Transcript' }).click();
    await page.locator('#said', { hasText: 'line 29999 of' }).waitFor();
    await page.locator('#said .note', { hasText: '— summary: Did 1_story_x' }).waitFor();
    assert.deepEqual(page.trouble, []);
  } finally { project.end(); }
});
