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
    assert.equal(await page.getByLabel('Title').inputValue(), 'Log in: "with" a passkey #1');
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
    // The agent works again; its work is approved by one key.
    await page.locator('.card[data-state=review]').waitFor({ timeout: 30000 });
    await page.goto(`${project.url}/s/1/diff`);
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
