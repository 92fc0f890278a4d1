// Drives the debugger of a playground: node playground.mjs URL [FOLDER for screenshots]
import assert from 'node:assert/strict';
import {withBrowser} from './browser.mjs';

const [url, folder] = process.argv.slice(2);

await withBrowser(async (open) => {
  const page = await open({viewport: {width: 1360, height: 900}});
  await page.goto(url);
  await page.locator('#playground').waitFor();
  await page.locator('#token-chip[data-kind=good]', {hasText: 'Token: publish, subscribe'}).waitFor();
  await page.click('#token-chip');
  await page.locator('#inspection', {hasText: 'It may publish to: every topic.'}).waitFor();
  await page.locator('#inspection', {hasText: 'It may read private updates of: every topic.'}).waitFor();
  assert.equal(await page.locator('#inspection li.bad').count(), 0);
  await page.keyboard.press('Escape');
  await page.click('#subscribe');
  await page.locator('.state[data-state=live]', {hasText: 'connected'}).waitFor();
  await page.locator('#private').check();
  await page.click('#publish');
  await page.locator('.event', {hasText: 'out of stock'}).waitFor();
  await page.locator('#resource').press('Enter');
  await page.locator('#discovery li.good', {hasText: 'names this hub'}).waitFor();
  await page.locator('#discovery li', {hasText: '/playground/books/1'}).first().waitFor();
  // The token may also read the subscriptions: this page has two streams.
  await page.click('#presence');
  await page.locator('#presence-message', {hasText: '2 active subscriptions, including the one of this page'}).waitFor();
  if (folder) await page.screenshot({path: `${folder}/playground.png`, fullPage: true});
});
