// The pages of docs/symfony.md in Chromium, as the Symfony application of tests/php/symfony serves them, and UX
// Turbo's element from npm.
//
//     node symfony.mjs '{"site": …, "element": …}'
//
// site: the origin of the application and its hub. element: the HTML that UX Turbo renders to listen to the chat.
import {readFile} from 'node:fs/promises';
import {createRequire} from 'node:module';
import {withBrowser} from './browser.mjs';

const {site, element} = JSON.parse(process.argv[2]);
const {resolve} = createRequire(import.meta.url);
const turbo = resolve('@hotwired/turbo').replace('umd', 'esm');
const ux = resolve('@symfony/ux-turbo').replace('turbo_controller', 'mercure_stream_source_element');

// Runs ACT repeatedly until the page shows its update: the page misses updates from before its stream.
async function until(page, act, done, arg) {
  for (let i = 0; i < 300; i++) {
    await act();
    if (await page.evaluate(done, arg)) return;
    await new Promise((wake) => setTimeout(wake, 200));
  }
  throw new Error(`not seen at ${page.url()}: ${await page.content()}`);
}

const post = (page, path, form) => page.evaluate(async ([path, form]) => {
  const answer = await fetch(path, {method: 'POST', body: new URLSearchParams(form)});
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
}, [path, form ?? {}]);

const status = (wanted) => document.querySelector('#status').textContent === wanted;
const messages = (text) => [...document.querySelectorAll('#messages p')].filter((p) => p.textContent === text).length;

await withBrowser(async (open) => {
  let page = await open();
  await page.goto(`${site}/books/1`);
  await until(page, () => post(page, '/books/1/sell'), status, 'sold');

  page = await open();
  await page.goto(`${site}/orders/1`);
  await until(page, () => post(page, '/orders/1/pay'), status, 'paid');

  // Modules that import by name, as an import map of Symfony's AssetMapper provides them.
  const modules = {
    '/turbo.js': await readFile(turbo, 'utf8'),
    '/ux.js': (await readFile(ux, 'utf8')).replace('"@hotwired/turbo"', '"/turbo.js"'),
  };
  page = await open();
  for (const [path, body] of Object.entries(modules)) {
    await page.route(site + path, (route) => route.fulfill({contentType: 'text/javascript', body}));
  }
  await page.goto(`${site}/chat`);
  await page.addScriptTag({type: 'module', url: '/turbo.js'});
  await until(page, () => post(page, '/chat', {text: 'for Turbo <b>'}), messages, 'for Turbo <b>');

  await page.evaluate((html) => {
    document.querySelector('turbo-stream-source').remove();
    document.body.insertAdjacentHTML('beforeend', html);
  }, element);
  await page.addScriptTag({type: 'module', url: '/ux.js'});
  await page.waitForSelector('turbo-mercure-stream-source[connected]', {state: 'attached'});
  await post(page, '/chat', {text: 'for UX'});
  await page.waitForFunction(messages, 'for UX');
  if (await page.evaluate(messages, 'for UX') !== 1) throw new Error('the chat has the message more than once');
});
