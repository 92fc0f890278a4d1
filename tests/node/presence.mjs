// Drives the debugger's table of active subscriptions: node presence.mjs URL TOKENS [FOLDER for screenshots]
// TOKENS: JSON; `all` may read all, `list` the list alone, `none` neither, `old` is of protocol 0.x and may read all.
import assert from 'node:assert/strict';
import {withBrowser} from './browser.mjs';

const [url, tokens, folder] = process.argv.slice(2);
const {all, list, none, old} = JSON.parse(tokens);
const hub = url.replace(/\/debug\/$/, '');

// A subscriber beside the page: it comes, and goes by its return value.
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
    await page.fill('#token', token);
    await page.click('#presence');
  };
  const stop = async () => {
    await page.click('#presence');
    await page.locator('#presence', {hasText: 'Watch'}).waitFor();
    assert.ok(await page.locator('#presence-table').isHidden(), 'a table that does not change is still shown');
  };
  await page.goto(url);

  // Those who may not are told so.
  await watch('');
  await says('to nobody without a good token');
  await watch(none);
  await says('This token may not read the list of subscriptions');
  assert.ok(await page.locator('#presence-table').isHidden());

  // One that is there, one that comes and goes.
  const leave = await subscriber({match: 'https://example.com/there'});
  await watch(all);
  await row('https://example.com/there').waitFor();
  assert.deepEqual((await row('https://example.com/there').locator('td').allTextContents()).slice(0, 2),
    ['https://example.com/there', 'exact']);
  await says('2 active subscriptions, with the one of this table');
  const go = await subscriber({match_urlpattern: 'https://example.com/<b>/:id'});
  await row('https://example.com/<b>/:id').waitFor();
  await says('3 active subscriptions');
  // One of protocol 0.x, in words of its own, its payload too.
  const goOld = await subscriber({topic: 'https://example.com/{old}'}, old);
  await row('https://example.com/{old}').waitFor();
  const cells = await row('https://example.com/{old}').locator('td').allTextContents();
  assert.deepEqual([cells[0], cells[1], cells[3]], ['https://example.com/{old}', 'topic (0.x)', '"old"']);
  if (folder) {
    for (const [name, colorScheme, width] of [['light', 'light', 1360], ['dark', 'dark', 1360], ['phone', 'dark', 360]]) {
      await page.emulateMedia({colorScheme});
      await page.setViewportSize({width, height: 800});
      await page.screenshot({path: `${folder}/presence-${name}.png`, fullPage: true});
    }
  }
  await page.setViewportSize({width: 360, height: 740});
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${wide} pixels stick out on a phone`);
  go();
  await row('https://example.com/<b>/:id').waitFor({state: 'detached'});
  goOld();
  await row('https://example.com/{old}').waitFor({state: 'detached'});
  await says(/^2 active subscriptions/);

  // More than the table shows are counted, and move up when others go.
  const crowd = [];
  for (let i = 0; i < 5; i++) crowd.push(await subscriber(Array.from({length: 100}, (_, j) => ['match', `${i}-${j}`])));
  await says('502 active subscriptions, 500 of them shown');
  assert.equal(await page.locator('#presence-table tbody tr').count(), 500);
  crowd[0]();
  await says(/^402 active subscriptions, with/);
  assert.equal(await page.locator('#presence-table tbody tr').count(), 402);
  await stop();
  await watch(all);
  await says('402 active subscriptions');
  crowd.forEach((end) => end());
  await says(/^2 active subscriptions/);
  await stop();

  // The list, but not its events.
  await watch(list);
  await row('https://example.com/there').waitFor();
  await says('may read the list, but not the events');
  await stop();

  // A token of 0.x lists those of 0.x.
  const leaveOld = await subscriber({topic: 'https://example.com/old'}, old);
  await watch(old);
  await row('topic (0.x)').waitFor();
  assert.equal(await row('https://example.com/there').count(), 0);
  leaveOld();
  await row('topic (0.x)').waitFor({state: 'detached'});
  await stop();
  leave();
});
