// Figures of the board with 2,000 stories, on this machine: `script/web --measure`. It judges nothing.

import { Project, close, enter } from './lib.mjs';

const COUNT = 2000, EVENTS = 20;
const story = (name) => `---\nname: "${name}"\n---\nText.\n`;
const sorted = (all) => [...all].sort((one, other) => one - other);
const share = (all, part) => Math.round(sorted(all)[Math.min(all.length - 1, Math.floor(all.length * part))]);

async function heap(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const { metrics } = await session.send('Performance.enable').then(() => session.send('Performance.getMetrics'));
  return metrics.find((one) => one.name === 'JSHeapUsedSize').value / 2 ** 20;
}

async function board(count) {
  const stories = Array.from({ length: count }, (_, at) => [at < count * 0.75 ? '1_backlog' : '5_done', `${at + 1}_story_x`, story(`Story number ${at + 1}`)]);
  const project = new Project({ stories, agents: 0 });
  try {
    const page = await enter(project);
    await page.locator('.card').first().waitFor();
    await page.reload();
    await page.locator('.card').first().waitFor();
    const at = await page.evaluate(() => ({
      nodes: document.querySelectorAll('*').length,
      paint: Math.round(performance.getEntriesByName('first-contentful-paint')[0]?.startTime),
      ready: Math.round(performance.now()),
      bytes: performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('.js')).reduce((sum, { decodedBodySize }) => sum + decodedBodySize, 0),
    }));
    await page.locator('#link.on').waitFor();
    // From the moment at which a file is another to the frame that shows it.
    const times = [];
    for (let event = 0; event < EVENTS; event += 1) {
      const name = `Changed ${event}`;
      const painted = page.evaluate((wanted) => new Promise((done) => {
        const look = () => {
          if (document.querySelector('#c-\\31 _story_x h3')?.textContent === wanted) requestAnimationFrame(() => requestAnimationFrame(() => done(Date.now())));
          else requestAnimationFrame(look);
        };
        look();
      }), name);
      const began = Date.now();
      project.story('1_backlog', '1_story_x', story(name));
      times.push(await painted - began);
    }
    const memory = await heap(page);
    // A jump to the end, and the frames that it takes.
    const frames = await page.evaluate(() => new Promise((done) => {
      const list = document.querySelector('[data-stage=backlog] .list'), all = [];
      let before = performance.now(), left = 60;
      const next = (now) => { all.push(now - before); before = now; list.scrollTop += 400; left -= 1; if (left) requestAnimationFrame(next); else done(all); };
      requestAnimationFrame(next);
    }));
    const after = await page.evaluate(() => document.querySelectorAll('*').length);
    return { ...at, after, memory, p50: share(times, 0.5), p95: share(times, 0.95), frame: Math.round(Math.max(...frames)) };
  } finally { project.end(); }
}

const small = await board(24), large = await board(COUNT);
const line = (words, of, unit = '') => console.log(`${words.padEnd(44)} ${String(of(small)).padStart(9)} ${String(of(large)).padStart(9)} ${unit}`);
console.log(`${''.padEnd(44)} ${'24'.padStart(9)} ${COUNT.toLocaleString('en').padStart(9)} stories`);
line('first paint', (one) => one.paint, 'ms');
line('cards there', (one) => one.ready, 'ms');
line('nodes at load', (one) => one.nodes);
line('nodes after scrolling', (one) => one.after);
line('memory of the tab’s script', (one) => one.memory.toFixed(1), 'MiB');
line('from a file’s change to its paint, median', (one) => one.p50, 'ms');
line('from a file’s change to its paint, 95 %', (one) => one.p95, 'ms');
line('longest frame of a scroll', (one) => one.frame, 'ms');
line('script that the board loads', (one) => one.bytes, 'bytes');
await close();
