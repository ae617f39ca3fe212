// A project of its own with scripted agents, its daemon, and a browser to look at its board.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRequire } from 'node:module';
export const drivers = createRequire(process.env.STORKIT_WEB_DRIVERS ?? import.meta.url);
const { chromium } = drivers('playwright-core');

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const STORKIT = process.env.STORKIT ?? path.join(ROOT, 'target/debug/storkit');
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** What each agent does, by the story's name: a shell script, so that a test needs no model. */
const AGENT = `
id=$STORKIT_STORY
say() { printf '%s\\n' "$*"; }
case $id in
  *ask*) say '{"storkit":"question","text":"Should an expired passkey log the user out at once, or at the next request?\\n\\n- at once\\n- at the next request"}'; exit 0 ;;
  *wait*) i=0; while [ ! -e "$GO/$id" ] && [ $i -lt 3000 ]; do printf 'turn %s: \\033[32mreading\\033[0m src/session.rs\\n' $i; i=$((i+1)); sleep 0.2; done ;;
  *fail*) say 'thread panicked at src/auth.rs:88: counter went backwards'; exit 3 ;;
esac
mkdir -p src
if [ -e src/session.rs ]; then
  printf '\\n/// A session, kept over restarts of %s.\\npub fn keep(id: u64) -> Result<Session, Error> {\\n    let day = local_day("Europe/Vienna");\\n    Session::open(id, day) // one row\\n}\\n' "$id" >> src/session.rs
  sed -i 's/let tz = Utc;/let tz = account.time_zone();/' src/session.rs
fi
printf 'notes of %s\\n' "$id" > "src/$id.txt"
say '{"storkit":"usage","input_tokens":21200,"output_tokens":1800,"cost_usd":0.42,"model":"sonnet"}'
say "{\\"storkit\\":\\"summary\\",\\"text\\":\\"Did $id\\"}"
`;

const SOURCE = `use std::fmt;

/// Rows of the export.
pub fn rows(account: &Account) -> Vec<Row> {
    let tz = Utc;
    account.events().map(|event| Row::new(event, tz)).collect()
}
`;

/** A project with these stories: \`[stage folder, id, text]\`. */
export class Project {
  constructor({ stories = [], config = '', agents = 2, say = '' } = {}) {
    this.top = fs.mkdtempSync(path.join(process.env.TMPDIR ?? os.tmpdir(), 'storkit-web-'));
    this.root = path.join(this.top, 'myproj');
    this.go = path.join(this.top, 'go');
    const home = path.join(this.top, 'home');
    for (const dir of [this.root, this.go, home]) fs.mkdirSync(dir, { recursive: true });
    this.env = { PATH: process.env.PATH, HOME: home, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1', GIT_AUTHOR_NAME: 'A', GIT_AUTHOR_EMAIL: 'a@example.com', GIT_COMMITTER_NAME: 'A', GIT_COMMITTER_EMAIL: 'a@example.com', LANG: 'C.UTF-8' };
    this.run('git', 'init', '-q', '-b', 'main');
    const agent = path.join(this.top, 'agent.sh');
    fs.writeFileSync(path.join(this.top, 'say'), say);
    fs.writeFileSync(agent, `GO=${this.go}\ncat ${this.top}/say\n${AGENT}`);
    this.write('src/session.rs', SOURCE);
    this.write('.storkit/.gitignore', '/run/\n/logs/\n/worktrees/\n');
    this.write('.storkit/AGENT.md', '');
    const one = (name) => `[[agent]]\nname = "${name}"\nruntime = "command"\ncommand = "sh"\nargs = ["${agent}"]\n`;
    this.write('.storkit/project.toml', `base_branch = "main"\nqa = "human"\nanswer_settle = "1s"\n${config}\n[sandbox]\nmode = "none"\n${Array.from({ length: agents }, (_, at) => one(`coder-${at + 1}`)).join('')}`);
    for (const folder of ['1_backlog', '2_current', '3_qa', '4_merge', '5_done', '6_archived']) fs.mkdirSync(path.join(this.root, '.storkit/work', folder), { recursive: true });
    for (const [folder, id, text] of stories) this.story(folder, id, text);
    this.run('git', 'add', '-A', ':!.storkit/work');
    this.run('git', 'commit', '-qm', 'begin');
  }

  write(name, text) {
    const file = path.join(this.root, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
  }

  file(folder, id) { return path.join(this.root, '.storkit/work', folder, `${id}.md`); }
  story(folder, id, text = '') { fs.writeFileSync(this.file(folder, id), text); }
  move(id, from, to) { fs.renameSync(this.file(from, id), this.file(to, id)); }
  release(id) { fs.writeFileSync(path.join(this.go, id), ''); }

  run(program, ...words) {
    const done = spawnSync(program, words, { cwd: this.root, env: this.env, encoding: 'utf8', maxBuffer: 64 << 20 });
    if (done.status !== 0) throw new Error(`${program} ${words.join(' ')}: ${done.stderr}${done.stdout}`);
    return done.stdout;
  }

  storkit(...words) { return this.run(STORKIT, ...words); }
  status() { return JSON.parse(this.storkit('status', '--all', '--json')); }

  up(port = 0) {
    this.storkit('up', '--detach', '--trust', '--port', String(port));
    this.url = this.status().daemon.url;
    return this.url;
  }

  down() { this.storkit('down', '--now'); }

  /** The address with a code that works once, as \`storkit open\` makes it. */
  open() { return this.storkit('open', '--print').trim(); }

  end() {
    try { this.down(); } catch { /* It was down. */ }
    fs.rmSync(this.top, { recursive: true, force: true });
  }
}

const browsers = new Map();
/** A page of a fresh profile; what breaks on it is in `page.trouble`. */
export async function visit({ args = [], ...options } = {}) {
  const key = args.join(' ');
  if (!browsers.has(key)) browsers.set(key, await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage', ...args] }));
  const context = await browsers.get(key).newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: 'reduce', ...options });
  // While one works on the scripts and styles, they come from a folder instead of the program.
  const folder = process.env.STORKIT_WEB_ASSETS;
  if (folder) await context.route('**/assets/*', (route) => route.fulfill({ path: path.join(folder, path.basename(new URL(route.request().url()).pathname)) }));
  const page = await context.newPage();
  watch(page);
  return page;
}

/** The project's board, let in by a code. */
export async function enter(project) {
  if (!project.url) project.up();
  const page = await visit();
  await page.goto(project.open());
  await page.locator('#link.on').waitFor();
  return page;
}

/** Waits until something is so. */
export async function until(is, most = 15000) {
  const end = Date.now() + most;
  while (!is()) {
    if (Date.now() > end) throw new Error(`never: ${is}`);
    await new Promise((done) => { setTimeout(done, 50); });
  }
}
export const moved = (project, id, folder) => until(() => fs.existsSync(project.file(folder, id)));
export const state = (project, id) => project.status().stories.find((story) => story.id === id)?.state;

export function watch(page) {
  page.trouble = [];
  page.on('pageerror', (error) => page.trouble.push(String(error.stack ?? error)));
  page.on('console', (message) => { if (/Content Security Policy|Trusted|violat/i.test(message.text())) page.trouble.push(message.text()); });
}

export async function close() {
  for (const browser of browsers.values()) await browser.close();
  browsers.clear();
}
