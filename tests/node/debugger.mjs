// Drives the debugger: node debugger.mjs URL TOKEN READER [FOLDER for screenshots]
import assert from 'node:assert/strict';
import {withBrowser} from './browser.mjs';

const [url, token, reader, folder] = process.argv.slice(2);

async function shoot(page, name) {
  if (!folder) return;
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.waitForTimeout(400); // the animation of the newest event
  await page.screenshot({path: `${folder}/${name}.png`, fullPage: true});
}

const text = (page, selector) => page.locator(selector).textContent();
const waitText = (page, selector, words) => page.locator(selector, {hasText: words}).first().waitFor();

await withBrowser(async (open) => {
  const page = await open({viewport: {width: 1360, height: 900}, colorScheme: 'light'});
  await page.goto(url);
  assert.equal(await text(page, '#hub'), url.replace(/\/debug\/$/, ''));

  // The inspector shows what a token grants, and why the hub would refuse it.
  await page.fill('#token', 'x.y');
  await waitText(page, '#inspection', 'this one has 2');
  await page.fill('#token', token.replace(/^[^.]*/, 'eyJhbGciOiJub25lIn0'));
  await waitText(page, '#inspection', 'It is not signed (alg none).');
  await waitText(page, '#inspection', "the header's typ must be at+jwt");
  await page.fill('#token', token);
  await waitText(page, '#inspection', 'It may publish to: every topic.');
  await waitText(page, '#inspection', 'It may read public updates, but no private ones.');
  assert.equal(await page.locator('#inspection li.bad').count(), 0);
  await page.getByText('Check a topic').click();
  await waitText(page, '#grant-result', 'publish: yes · private updates: no');
  await page.click('#ask');
  await waitText(page, '#verdict', 'Publishing: accepted');
  await waitText(page, '#verdict', 'Subscribing: 401');

  // Subscribes with the reader's token and publishes with the publisher's, all by keyboard.
  await page.fill('#token', reader);
  await waitText(page, '#inspection', 'https://example.com/:any (urlpattern)');
  await page.locator('.matcher-type').selectOption('match_urlpattern');
  await page.locator('.matcher-value').fill('https://example.com/books/:id');
  await page.locator('.matcher-value').press('Enter');
  await waitText(page, '#state', 'connected');
  await page.fill('#token', token);
  await page.locator('#private').press('Space');
  await page.locator('#publish').press('Enter');
  await waitText(page, '#publish-message', 'Published as urn:uuid:');
  const id = (await text(page, '#publish-message')).replace('Published as ', '');
  await waitText(page, '#log li', id);
  await waitText(page, '#log pre', '"status": "out of stock"');
  assert.equal(await text(page, '#rate-total'), '1');
  await page.fill('#data', '<img src=x onerror=alert(1)>');
  await page.fill('#topics', 'https://example.com/books/2\nhttps://example.com/other');
  await page.click('#publish');
  await waitText(page, '#log pre', '<img src=x');
  assert.equal(await page.locator('#log img').count(), 0, 'data became markup');
  await page.fill('#filter', 'out of stock');
  assert.equal(await page.locator('#log li:visible').count(), 1);
  await page.fill('#filter', '');
  await shoot(page, 'light');

  // Refusals are shown in the hub's words.
  await page.fill('#topics', '/.well-known/mercure/forged');
  await page.click('#publish');
  await waitText(page, '#publish-message', "400 Bad Request: a topic lies in the hub's own namespace");
  await page.click('#unsubscribe');
  await waitText(page, '#state', 'not connected');
  await page.fill('#token', reader);
  await page.locator('.matcher-value').fill('https://[');
  await page.click('#subscribe');
  await waitText(page, '#subscribe-message', '400 Bad Request');

  // The history, with the cookie and with a cursor that the hub does not know.
  await page.fill('#token', reader);
  await page.locator('input[value=cookie]').check();
  await page.click('#cookie-set');
  await page.locator('.matcher-type').selectOption('*');
  await page.fill('#cursor', 'urn:nobody:knows');
  await page.click('#clear');
  await page.click('#subscribe');
  await waitText(page, '#log li.note', 'does not know the event urn:nobody:knows');
  await waitText(page, '#log pre', '"status": "out of stock"');
  await page.click('#cookie-clear');

  // curl, discovery, metadata, subscriptions.
  await page.click('#publish-curl');
  await waitText(page, '#curl-text', '--data-urlencode');
  await page.keyboard.press('Escape');
  await page.fill('#resource', '/page.html');
  await page.locator('#resource').press('Enter');
  await waitText(page, '#discovery li.good', 'names this hub');
  await page.getByText('Metadata of the hub').click();
  await waitText(page, '#metadata', 'bearer_methods_supported');
  await page.locator('input[value=header]').check();
  await page.click('#presence');
  await waitText(page, '#presence-message', 'MercureSubscriptions is off');

  // In dark mode and on a phone: nothing is wider than the screen.
  const dark = await open({viewport: {width: 1360, height: 900}, colorScheme: 'dark'});
  await dark.goto(url);
  await dark.fill('#token', token.replace(/[^.]*$/, 'AAAA'));
  await dark.click('#ask');
  await waitText(dark, '#verdict', '401');
  await shoot(dark, 'dark');
  const phone = await open({viewport: {width: 360, height: 740}, colorScheme: 'dark', isMobile: true, hasTouch: true});
  await phone.goto(url);
  await phone.fill('#token', token);
  await waitText(phone, '#inspection', 'It may publish to');
  const wide = await phone.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `the page is ${wide} pixels wider than a phone`);
  await shoot(phone, 'phone');

  // Every field has a name.
  const nameless = await page.evaluate(() => [...document.querySelectorAll('input, textarea, select, button')]
    .filter((field) => !field.labels?.length && !field.getAttribute('aria-label') && !field.textContent.trim())
    .map((field) => field.outerHTML));
  assert.deepEqual(nameless, []);
});
