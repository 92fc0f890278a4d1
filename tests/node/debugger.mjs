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
  const [head, claims, signature] = token.split('.');
  const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
  const good = {iss: 'i', aud: url.replace(/\/debug\/$/, ''), exp: 4e9};
  const wrong = [
    ['x.y', 'this one has 2'],
    ['a.b.c.d.e', 'like an encrypted token'],
    [`${head}.${claims}x.${signature}`, 'The second part (claims) cannot be read: it is'],
    [`${head}.${claims.slice(0, Math.floor(claims.length / 4) * 4 - 3)}.${signature}`, 'it is cut off'],
    [`${head}..${signature}`, 'The second part (claims) cannot be read: it is empty.'],
    [`${head}.${claims}.`, 'The third part (signature) cannot be read: it is empty.'],
    [`${head}.${claims}.a+b`, 'The third part (signature) cannot be read: it contains characters that are not base64url.'],
    [`${head}.${encode('{"a":')}.${signature}`, 'The second part (claims) cannot be read: it is not JSON.'],
    [`${head}.${Buffer.from([0x22, 0xff, 0x22]).toString('base64url')}.${signature}`, 'it is not UTF-8 text.'],
    [`${head}.${encode('[1]')}.${signature}`, 'it is not a JSON object.'],
    [`${encode({alg: 'none'})}.${claims}.${signature}`, 'It is not signed (alg none).', "the header's typ must be at+jwt"],
    [`${encode({alg: 'HS1', typ: 'at+jwt', b64: true})}.${claims}.${signature}`, 'No hub accepts the algorithm HS1', 'Its header has the member b64'],
    [`${encode({alg: 'HS256', typ: 5})}.${claims}.${signature}`, "The header's typ must be a string."],
    [`${head}.${encode({...good, exp: '5', nbf: '5', sub: 1})}.${signature}`, 'exp must be a number of seconds.', 'nbf must be a number of seconds.', 'sub must be a string.'],
    [`${head}.${encode({...good, aud: [good.aud, 5]})}.${signature}`, 'must be a string or an array of strings'],
  ];
  for (const [bad, ...words] of wrong) {
    await page.fill('#token', bad);
    for (const each of words) await waitText(page, '#inspection li.bad', each);
    assert.equal(await page.locator('#inspection li.good').count(), 0, `a tick beside: ${words}`);
  }
  await page.fill('#token', 'eyJé.ü.x');
  await page.click('#ask');
  await waitText(page, '#verdict', 'Publishing to the topics listed above: 401');
  await page.fill('#token', token);
  await waitText(page, '#inspection', 'It may publish to: every topic.');
  await waitText(page, '#inspection', 'It may read public updates, but no private ones.');
  assert.equal(await page.locator('#inspection li.bad').count(), 0);
  await page.getByText('Check a topic').click();
  await waitText(page, '#grant-result', 'publish: yes · private updates: no');

  // The hub accepts what the inspector accepts, however the token was copied.
  const pasted = [`Bearer ${token}`, `bearer  ${token}\n`, `Authorization: Bearer ${token}`, `"${token}"`, `Bearer "${token}"`,
    `__Secure-mercure_access_token=${token};`, `Cookie: __Secure-mercure_access_token=${token}`, `TOKEN='${token}'`,
    `${token.slice(0, 40)}\n  ${token.slice(40)}`, `\ufeff${token}\u200b`];
  for (const text of pasted) {
    await page.fill('#token', text);
    await waitText(page, '#inspection', 'It may publish to: every topic.');
    await page.click('#ask');
    await waitText(page, '#verdict', 'Publishing to the topics listed above: accepted');
  }
  await page.fill('#token', `Bearer ${token}`);
  await waitText(page, '#inspection', 'The page sends the token without "Bearer".');
  await page.fill('#token', token);
  await page.click('#ask');
  await waitText(page, '#inspection li.bad', 'Subscribing: the hub refuses this token: 401');

  // A refusal by the hub takes back what the inspector found, until the token is another one.
  await page.fill('#token', token.replace(/[^.]*$/, 'AAAA'));
  await waitText(page, '#inspection li.good', 'It may publish to: every topic.');
  await page.click('#publish');
  await waitText(page, '#inspection li.bad', 'Publishing: the hub refuses this token: 401');
  assert.equal(await page.locator('#inspection li.good').count(), 0, 'a tick stays after a 401');
  await page.click('#subscribe');
  await waitText(page, '#inspection li.bad', 'Subscribing: the hub refuses this token: 401');
  await page.fill('#token', token);
  assert.equal(await page.locator('#inspection li.bad').count(), 0);
  await page.click('#ask');
  await waitText(page, '#verdict li.good', 'Publishing to the topics listed above: accepted');
  await page.fill('#token', reader);
  await page.click('#publish');
  await waitText(page, '#inspection li.bad', 'Publishing: the hub refuses this token: 401');
  assert.equal(await page.locator('#verdict li.good').count(), 0, 'a tick of another token stays');

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
  for (const words of ['"status":"OUT', '"status": "out', 'message', id]) {
    await page.fill('#filter', words);
    assert.equal(await page.locator('#log li:visible', {hasText: 'out of stock'}).count(), 1, words);
  }
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
  await waitText(dark, '#inspection li.bad', '401');
  await shoot(dark, 'dark');
  const phone = await open({viewport: {width: 360, height: 740}, colorScheme: 'dark', isMobile: true, hasTouch: true});
  await phone.goto(url);
  await phone.fill('#token', token);
  await waitText(phone, '#inspection', 'It may publish to');
  const wide = await phone.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `the page is ${wide} pixels wider than a phone`);
  await shoot(phone, 'phone');

  // A hub that is down is described in words of this page, not in those of the browser.
  const down = await open({viewport: {width: 1280, height: 900}});
  await down.goto(url);
  await down.fill('#token', token);
  await down.route('**/*', (route) => route.abort());
  await down.click('#ask');
  await waitText(down, '#verdict li.bad', 'The hub does not answer');
  await down.click('#publish');
  await waitText(down, '#publish-message', 'The hub does not answer');
  await down.click('#subscribe');
  await waitText(down, '#log li.note', 'The hub does not answer');
  await down.locator('#resource').press('Enter');
  await waitText(down, '#discovery li.bad', 'The hub does not answer');
  await down.fill('#resource', 'http://[');
  await down.locator('#resource').press('Enter');
  await waitText(down, '#discovery li.bad', 'This is not a URL.');
  await down.click('#presence');
  await waitText(down, '#presence-message', 'The hub does not answer');
  assert.doesNotMatch(await text(down, 'main'), /Failed to|NetworkError|TypeError/);

  // Every field has a name.
  const nameless = await page.evaluate(() => [...document.querySelectorAll('input, textarea, select, button')]
    .filter((field) => !field.labels?.length && !field.getAttribute('aria-label') && !field.textContent.trim())
    .map((field) => field.outerHTML));
  assert.deepEqual(nameless, []);
});
