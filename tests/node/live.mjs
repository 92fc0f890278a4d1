// Drives the live view of the debugger: node live.mjs URL OPERATOR OTHER SUBSCRIBER OUTSIDE [FOLDER for screenshots]
// OPERATOR: a control token; OTHER: a token of another kind; SUBSCRIBER: the token of a stream; OUTSIDE: the debugger of
// a hub that no operator controls.
import assert from 'node:assert/strict';
import {withBrowser} from './browser.mjs';

const [url, operator, other, subscriber, outside, folder] = process.argv.slice(2);
const hub = url.replace(/\/debug\/$/, '');

const waitText = (page, selector, words) => page.locator(selector, {hasText: words}).first().waitFor();

async function watch(page, token) {
  await page.fill('#live-token', token);
  await page.press('#live-token', 'Enter');
}

async function open_stream(match, token) {
  const headers = {Accept: 'text/event-stream', ...(token ? {Authorization: `Bearer ${token}`} : {})};
  const abort = new AbortController();
  const response = await fetch(`${hub}?match=${encodeURIComponent(match)}`, {headers, signal: abort.signal});
  assert.equal(response.status, 200);
  const reader = response.body.getReader();
  const ended = (async () => {
    for (;;) if ((await reader.read()).done) return 'ended';
  })().catch(() => 'broken');
  return {ended, close: () => abort.abort()};
}

await withBrowser(async (open) => {
  const page = await open({viewport: {width: 1280, height: 900}});
  await page.goto(url);
  assert.equal(await page.locator('#live-view').isVisible(), false);
  await page.press('#view-live', 'Enter');
  assert.equal(await page.locator('#debug-view').isVisible(), false);
  assert.equal(await page.locator('#live-body').isVisible(), false);

  // ---- tokens without the right to look ----
  await watch(page, '');
  await waitText(page, '#live-message.bad', 'Give a token');
  await watch(page, other);
  await waitText(page, '#live-state[data-state=bad]', 'refused');
  await waitText(page, '#live-message.bad', '401');
  assert.equal(await page.locator('#live-body').isVisible(), false);

  // ---- numbers, topics and streams ----
  await watch(page, `Bearer ${operator}`);
  await waitText(page, '#live-state[data-state=live]', 'connected');
  await waitText(page, '#now-subscribers', /^0$/);
  await waitText(page, '#streams-empty', 'No open streams.');
  await waitText(page, '#topics-updates-empty', 'No publications');
  const alice = await open_stream('https://example.com/<b>', subscriber);
  const anonymous = await open_stream('*');
  await waitText(page, '#now-subscribers', /^2$/);
  await page.click('#streams-form button');
  const row = page.locator('#streams-table tbody tr', {hasText: 'alice'});
  await row.waitFor();
  assert.match(await row.textContent(), /https:\/\/example\.com\/<b>.*127\.0\.0\.1.*detached/);
  await page.locator('#streams-table tbody tr', {hasText: 'anonymous'}).waitFor();
  assert.match(await page.locator('#chart-subscribers svg').getAttribute('aria-label'), /^subscribers .* now 2$/);
  assert.match(await page.locator('#chart-subscribers .line-0').getAttribute('d'), /^M/);
  await page.fill('#streams-sub', 'alice');
  await page.press('#streams-sub', 'Enter');
  await page.waitForFunction(() => document.querySelectorAll('#streams-table tbody tr').length === 1);
  if (folder) await page.screenshot({path: `${folder}/live.png`});

  // ---- two clicks end a stream ----
  await row.getByRole('button').click();
  await waitText(page, '#streams-table .sure', 'Really?');
  await row.getByRole('button').click();
  await waitText(page, '#streams-message.good', 'The stream of alice has ended');
  assert.equal(await alice.ended, 'ended');
  await waitText(page, '#now-subscribers', /^1$/);
  await waitText(page, '#streams-empty', 'No open streams.');

  // ---- without the hub, one message says so ----
  const silent = page.getByText('The hub does not answer');
  await page.click('#live-watch');
  await page.route('**/control/**', (route) => route.abort());
  await page.click('#live-watch');
  await waitText(page, '#live-message.bad', 'The hub does not answer');
  const failed = page.waitForEvent('requestfailed', (request) => request.url().includes('/control/streams'));
  await page.press('#streams-sub', 'Enter');
  await failed;
  await page.waitForFunction(() => document.querySelector('#live-state').dataset.state === 'wait');
  assert.equal(await silent.count(), 1);
  await page.unroute('**/control/**');
  await waitText(page, '#live-state[data-state=live]', 'connected');
  await waitText(page, '#now-subscribers', /^1$/);
  assert.equal(await silent.count(), 0);

  // ---- stop, and back to the debugger, where nothing is lost ----
  await page.click('#live-watch');
  await waitText(page, '#live-state', 'not connected');
  await page.click('#view-debug');
  assert.equal(await page.locator('#live-view').isVisible(), false);
  assert.equal(await page.locator('#topics').inputValue(), 'https://example.com/books/1');
  anonymous.close();

  // ---- a hub without an operator ----
  await page.goto(outside);
  await page.click('#view-live');
  await watch(page, operator);
  await waitText(page, '#live-message.bad', 'Without a MercureControlKey a hub has no live view.');
});
