// Drives the examples: node examples.mjs ORIGIN PUBLISHER [FOLDER for screenshots]
// PUBLISHER: the path to which the chat's messages go.
import assert from 'node:assert/strict';
import {readFile} from 'node:fs/promises';
import {createRequire} from 'node:module';
import {withBrowser} from './browser.mjs';

const [origin, publisher, folder] = process.argv.slice(2);
const TURBO = '/examples/turbo/node_modules/@hotwired/turbo/dist/turbo.es2017-esm.js';

// The orders that turbo/publish.sh has left on the page: it has published four, and removed the first.
async function checkOrders(page) {
  await page.locator('#taken', {hasText: /^4$/}).waitFor();
  await page.locator('#order-4 .ready').waitFor();
  await page.locator('#order-1').waitFor({state: 'detached'});
  assert.deepEqual(await page.locator('#orders li').allTextContents(),
    ['Order 2 ready', 'Order 3 ready', 'Order 4 ready']);
}

await withBrowser(async (open) => {
  const [anna, ben] = [await open({viewport: {width: 700, height: 600}}), await open({viewport: {width: 390, height: 700}, colorScheme: 'dark'})];
  for (const page of [anna, ben]) {
    await page.goto(`${origin}/examples/chat/?room=tea`);
    await page.locator('#state', {hasText: 'tea'}).waitFor();
  }
  const publishers = [];
  for (const page of [anna, ben]) {
    page.on('response', (answer) => {
      const isText = answer.status() === 200 && answer.url().endsWith('.php');
      if (answer.request().method() === 'POST' && answer.ok() && !isText) publishers.push(new URL(answer.url()).pathname);
    });
  }
  await anna.fill('#name', 'Anna');
  await anna.fill('#text', 'Hello <b>you</b>');
  await anna.locator('#text').press('Enter');
  await ben.locator('#messages li', {hasText: 'Anna Hello <b>you</b>'}).waitFor();
  await ben.fill('#name', 'Ben');
  await ben.fill('#text', 'Hi!');
  await ben.locator('#text').press('Enter');
  await anna.locator('#messages li', {hasText: 'Ben Hi!'}).waitFor();
  assert.equal(await anna.locator('#messages li').count(), 2);
  assert.deepEqual(publishers, [publisher, publisher]);
  // A later visitor sees the earlier messages; another room does not.
  const late = await open();
  await late.goto(`${origin}/examples/chat/?room=tea`);
  await late.locator('#messages li', {hasText: 'Ben Hi!'}).waitFor();
  await late.goto(`${origin}/examples/chat/?room=coffee`);
  await late.locator('#state', {hasText: 'coffee'}).waitFor();
  assert.equal(await late.locator('#messages li').count(), 0);

  const board = await open({viewport: {width: 800, height: 400}});
  await board.goto(`${origin}/examples/dashboard/`);
  for (const title of ['load', 'memory used, %', 'processes']) {
    await board.locator('section', {hasText: title}).locator('.number', {hasText: /^[0-9]/}).waitFor();
  }

  const orders = await open({viewport: {width: 700, height: 420}});
  await orders.goto(`${origin}/examples/turbo/`);
  await checkOrders(orders);
  // The element of Symfony UX Turbo, in place of Turbo's own one, applies the same updates.
  const ux = createRequire(import.meta.url).resolve('@symfony/ux-turbo').replace('turbo_controller', 'mercure_stream_source_element');
  const body = (await readFile(ux, 'utf8')).replace('"@hotwired/turbo"', `"${TURBO}"`);
  await orders.route(`${origin}/ux.js`, (route) => route.fulfill({contentType: 'text/javascript', body}));
  await orders.evaluate(() => {
    const before = document.querySelector('turbo-stream-source');
    const after = document.createElement('turbo-mercure-stream-source');
    document.querySelector('#orders').replaceChildren();
    document.querySelector('#taken').textContent = '0';
    after.setAttribute('src', before.getAttribute('src'));
    before.replaceWith(after);
  });
  await orders.addScriptTag({type: 'module', url: '/ux.js'});
  await checkOrders(orders);

  if (folder) {
    await ben.screenshot({path: `${folder}/chat.png`});
    await board.screenshot({path: `${folder}/dashboard.png`});
    await orders.screenshot({path: `${folder}/turbo.png`});
  }
});
