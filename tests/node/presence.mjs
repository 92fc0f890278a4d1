// Drives the debugger's table of active subscriptions: node presence.mjs URL TOKENS [FOLDER for screenshots]
// TOKENS: JSON; `all` may read everything, `list` only the list, `none` nothing; `old` is of protocol 0.x and may
// read everything.
import assert from 'node:assert/strict';
import {withBrowser} from './browser.mjs';

const [url, tokens, folder] = process.argv.slice(2);
const {all, list, none, old} = JSON.parse(tokens);
const hub = url.replace(/\/debug\/$/, '');

// Opens a stream outside the page; returns a function that ends it.
async function subscriber(query, token) {
  const gone = new AbortController();
  const headers = token ? {Authorization: `Bearer ${token}`} : {};
  const response = await fetch(`${hub}?${new URLSearchParams(query)}`, {headers, signal: gone.signal});
  assert.equal(response.status, 200);
  response.body.getReader().read().catch(() => {});
  return () => gone.abort();
}

await withBrowser(async (open) => {
  const page = await open({viewport: {width: 1360, height: 900}, colorScheme: 'light'});
  const says = (words) => page.locator('#presence-message', {hasText: words}).waitFor();
  const row = (words) => page.locator('#presence-table tbody tr', {hasText: words});
  const watch = async (token) => {
    await page.click('#token-chip');
    await page.fill('#token', token);
    await page.keyboard.press('Escape');
    await page.click('#presence');
  };
  const stop = async () => {
    await page.click('#presence');
    await page.locator('#presence', {hasText: 'Watch'}).waitFor();
    assert.ok(await page.locator('#presence-table').isHidden(), 'a table that no longer changes is still shown');
  };
  await page.goto(url);

  // A token that may not read the list is refused with a reason.
  await watch('');
  await says('only for a valid token');
  await watch(none);
  await says('This token may not read the list of subscriptions');
  assert.ok(await page.locator('#presence-table').isHidden());

  // One subscription already exists, another comes and goes.
  const leave = await subscriber({match: 'https://example.com/there'});
  await watch(all);
  await row('https://example.com/there').waitFor();
  assert.deepEqual((await row('https://example.com/there').locator('td').allTextContents()).slice(0, 2),
    ['https://example.com/there', 'exact']);
  await says('2 active subscriptions, including the one of this page');
  const go = await subscriber({match_urlpattern: 'https://example.com/<b>/:id'});
  await row('https://example.com/<b>/:id').waitFor();
  await says('3 active subscriptions');
  // A subscription of protocol 0.x, with its topic and its payload.
  const goOld = await subscriber({topic: 'https://example.com/{old}'}, old);
  await row('https://example.com/{old}').waitFor();
  const cells = await row('https://example.com/{old}').locator('td').allTextContents();
  assert.deepEqual([cells[0], cells[1], cells[3]], ['https://example.com/{old}', 'topic (0.x)', '"old"']);
  // No name of a column breaks in two lines.
  await page.setViewportSize({width: 1280, height: 900});
  const lines = await page.evaluate(() => [...document.querySelectorAll('th, button')].filter((cell) => cell.offsetHeight && cell.textContent.trim())
    .map((cell) => {
      const range = document.createRange();
      range.selectNodeContents(cell);
      return [cell.textContent, new Set([...range.getClientRects()].map(({top}) => Math.round(top))).size];
    }));
  assert.ok(lines.length > 10);
  assert.deepEqual(lines.filter(([, count]) => count !== 1), []);
  if (folder) {
    for (const [name, colorScheme, width] of [['light', 'light', 1360], ['dark', 'dark', 1360], ['phone', 'dark', 360]]) {
      await page.emulateMedia({colorScheme});
      await page.setViewportSize({width, height: 800});
      await page.locator('#presence-table').scrollIntoViewIfNeeded();
      await page.screenshot({path: `${folder}/presence-${name}.png`});
    }
  }
  await page.setViewportSize({width: 360, height: 740});
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `the page is ${wide} pixels wider than a phone`);
  go();
  await row('https://example.com/<b>/:id').waitFor({state: 'detached'});
  goOld();
  await row('https://example.com/{old}').waitFor({state: 'detached'});
  await says(/^2 active subscriptions/);

  // Subscriptions beyond the rows of the table are counted, and get a row when others end.
  const crowd = [];
  for (let i = 0; i < 5; i++) crowd.push(await subscriber(Array.from({length: 100}, (_, j) => ['match', `${i}-${j}`])));
  await says('502 active subscriptions, 500 of them shown');
  assert.equal(await page.locator('#presence-table tbody tr').count(), 500);
  crowd[0]();
  await says(/^402 active subscriptions, including/);
  assert.equal(await page.locator('#presence-table tbody tr').count(), 402);
  await stop();
  await watch(all);
  await says('402 active subscriptions');
  crowd.forEach((end) => end());
  await says(/^2 active subscriptions/);
  await stop();

  // A token for the list, but not for the events.
  await watch(list);
  await row('https://example.com/there').waitFor();
  await says('may read the list, but not the events');
  await stop();

  // A token of 0.x lists the subscriptions of 0.x.
  const leaveOld = await subscriber({topic: 'https://example.com/old'}, old);
  await watch(old);
  await row('topic (0.x)').waitFor();
  assert.equal(await row('https://example.com/there').count(), 0);
  leaveOld();
  await row('topic (0.x)').waitFor({state: 'detached'});
  await stop();
  leave();
});
