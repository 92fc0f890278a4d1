// Drives the debugger: node debugger.mjs URL TOKEN READER [FOLDER for screenshots]
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import {promisify} from 'node:util';
import {withBrowser} from './browser.mjs';

const [url, token, reader, folder] = process.argv.slice(2);
const hub = url.replace(/\/debug\/$/, '');
const run = promisify(execFile);

async function shoot(page, name) {
  if (!folder || !name) return;
  await page.waitForTimeout(400); // the animation of the newest event
  await page.screenshot({path: `${folder}/${name}.png`});
}

const text = (page, selector) => page.locator(selector).textContent();
// The token's panel may be closed when its text is read.
const waitText = (page, selector, words) => page.locator(selector, {hasText: words}).first()
  .waitFor({state: /^#(inspection|verdict)/.test(selector) ? 'attached' : 'visible'});

const setPanel = async (page, action) => {
  await page.click('#token-chip');
  await action();
  await page.keyboard.press('Escape');
  await page.locator('#token-panel').waitFor({state: 'hidden'});
};
const setToken = (page, value) => setPanel(page, () => page.fill('#token', value));

// Opens the newest event that contains WORDS, and returns its row.
async function openRow(page, words) {
  const row = page.locator('#lanes .event', {hasText: words}).first();
  await row.locator('.line').click();
  await row.locator('.opened').waitFor();
  return row;
}

async function publishOutside(count, data) {
  for (let i = 0; i < count; i++) {
    const body = new URLSearchParams({topic: 'https://example.com/many', data: data(i)});
    const answer = await fetch(hub, {method: 'POST', body, headers: {Authorization: `Bearer ${token}`}});
    assert.equal(answer.status, 200, await answer.text());
  }
}

await withBrowser(async (open) => {
  const page = await open({viewport: {width: 1280, height: 900}, colorScheme: 'light'});
  await page.goto(url);
  assert.equal(await text(page, '#hub'), hub);
  await shoot(page, 'empty-light');

  // ---- the token: the inspector shows what it grants, and why the hub would refuse it ----
  const [head, claims, signature] = token.split('.');
  const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
  const good = {iss: 'i', aud: hub, exp: 4e9};
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
  await page.click('#token-chip');
  for (const [bad, ...words] of wrong) {
    await page.fill('#token', bad);
    for (const each of words) await waitText(page, '#inspection li.bad', each);
    assert.equal(await page.locator('#inspection li.good').count(), 0, `a tick beside: ${words}`);
    assert.equal(await page.locator('#token-chip').getAttribute('data-kind'), 'bad', bad);
  }
  await page.fill('#token', 'eyJé.ü.x');
  await page.click('#ask');
  await waitText(page, '#verdict', 'Publishing to the topics listed above: 401');
  await page.fill('#token', token);
  await waitText(page, '#inspection', 'It may publish to: every topic.');
  await waitText(page, '#inspection', 'It may read public updates, but no private ones.');
  assert.equal(await page.locator('#inspection li.bad').count(), 0);
  assert.match(await text(page, '#token-chip'), /^Token: publish · \d+ minutes left$/);
  await page.getByText('Check a topic').click();
  await waitText(page, '#grant-result', 'publish: yes · private updates: no');
  await shoot(page, 'token-light');

  // The hub accepts what the inspector accepts, however the token was copied.
  const pasted = [`Bearer ${token}`, `bearer  ${token}\n`, `Authorization: Bearer ${token}`, `"${token}"`, `Bearer "${token}"`,
    `__Secure-mercure_access_token=${token};`, `Cookie: __Secure-mercure_access_token=${token}`, `TOKEN='${token}'`,
    `${token.slice(0, 40)}\n  ${token.slice(40)}`, `\ufeff${token}\u200b`];
  for (const copied of pasted) {
    await page.fill('#token', copied);
    await waitText(page, '#inspection', 'It may publish to: every topic.');
    await page.click('#ask');
    await waitText(page, '#verdict', 'Publishing to the topics listed above: accepted');
  }
  await page.fill('#token', `Bearer ${token}`);
  await waitText(page, '#inspection', 'The page sends the token without "Bearer".');
  await page.fill('#token', token);
  await page.click('#ask');
  await waitText(page, '#inspection li.bad', 'Subscribing: the hub refuses this token: 401');
  await page.keyboard.press('Escape');

  // A refusal by the hub takes back what the inspector found, until the token changes.
  await setPanel(page, async () => {
    await page.fill('#token', token.replace(/[^.]*$/, 'AAAA'));
    await waitText(page, '#inspection li.good', 'It may publish to: every topic.');
  });
  await page.click('#publish');
  await waitText(page, '#publish-message.bad', '401');
  await waitText(page, '#token-chip[data-kind=bad]', 'Token refused for publishing');
  assert.equal(await page.locator('#inspection li.good').count(), 0, 'a tick stays after a 401');
  await page.click('#subscribe');
  await waitText(page, '#lanes .state[data-state=bad]', 'refused');
  await waitText(page, '#token-chip', 'Token refused by the hub');
  await waitText(page, '#inspection li.bad', 'Subscribing: the hub refuses this token: 401');
  await setPanel(page, async () => {
    await page.fill('#token', token);
    assert.equal(await page.locator('#inspection li.bad').count(), 0);
    await page.click('#ask');
    await waitText(page, '#verdict li.good', 'Publishing to the topics listed above: accepted');
    await page.fill('#token', reader);
  });
  await page.click('#publish');
  await waitText(page, '#inspection li.bad', 'Publishing: the hub refuses this token: 401');
  assert.equal(await page.locator('#verdict li.good').count(), 0, 'a tick of another token stays');

  // ---- two subscribers side by side, and a publication, all by keyboard ----
  await waitText(page, '#inspection', 'https://example.com/:any (urlpattern)');
  await page.locator('.matcher-type').selectOption('match_urlpattern');
  await page.locator('.matcher-value').fill('https://example.com/books/:id');
  await page.locator('#beside').press('Space');
  await page.locator('.matcher-value').press('Enter');
  await page.locator('#lanes .state[data-state=live]').nth(1).waitFor();
  assert.deepEqual(await page.locator('.lane-name').allTextContents(), ['With the token', 'Anonymous']);
  const [mine, theirs] = [page.locator('.lane').nth(0), page.locator('.lane').nth(1)];
  await setToken(page, token);
  await page.locator('#private').press('Space');
  await page.locator('#data').press('Control+Enter');
  await waitText(page, '#publish-id', 'urn:uuid:');
  const id = await text(page, '#publish-id');
  await waitText(page, '#publish-message', 'Answered after');
  await waitText(page, '#publish-message .good', /With the token: back \d+(\.\d)? ms (before|after) the answer/);
  await waitText(page, '#publish-message .warn', 'Anonymous: not received.');
  assert.equal(await mine.locator('.event').count(), 1);
  assert.equal(await theirs.locator('.event').count(), 0, 'a private update reached an anonymous subscriber');
  assert.equal(await text(page, '#rate-total'), '1');
  await shoot(page, 'private-light');

  // A row opens by keyboard, shows the JSON with colours, and copies it.
  const line = mine.locator('.line').first();
  await line.press('Enter');
  assert.equal(await line.getAttribute('aria-expanded'), 'true');
  await waitText(page, '.opened .facts', id);
  await waitText(page, '.opened pre', '"status": "out of stock"');
  assert.deepEqual(await mine.locator('pre .key').allTextContents(), ['"title"', '"status"']);
  assert.deepEqual(await mine.locator('pre .string').allTextContents(), ['"A book"', '"out of stock"']);
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  await mine.getByRole('button', {name: 'Copy data'}).click();
  await mine.getByText('Copied').waitFor();
  assert.equal(await clipboard(), '{"title": "A book", "status": "out of stock"}');
  await mine.getByRole('button', {name: 'Start after this'}).click();
  assert.equal(await page.inputValue('#cursor'), id);
  await page.fill('#cursor', '');
  await line.press('Enter');
  assert.equal(await mine.locator('.opened').count(), 0);

  // Data never becomes markup.
  await page.uncheck('#private');
  await page.fill('#data', '<img src=x onerror=alert(1)>');
  await page.fill('#topics', 'https://example.com/books/2\nhttps://example.com/other');
  await page.click('#publish');
  await waitText(page, '.lane:nth-of-type(2) .event', '<img src=x');
  await openRow(page, '<img src=x');
  assert.equal(await page.locator('#lanes img').count(), 0, 'data became markup');

  // ---- the filter considers values and keys ----
  const data = {title: 'B', author: {name: 'Ann Lee', born: 1970}, tags: ['x', 'y'], w: 3, url: 'https://example.com/c'};
  await page.fill('#data', JSON.stringify(data));
  await page.click('#publish');
  await mine.locator('.event', {hasText: 'Ann Lee'}).waitFor();
  const filters = [['out of stock', 1], ['"status":"OUT', 1], ['"status": "out', 1], [id, 1], ['"w":3', 1], ['w:3', 1], ['w:4', 0],
    ['name:ann', 1], ['author.name:"ann lee"', 1], ['author.title:B', 0], ['born:1970 title:b', 1], ['title:b', 2], ['title:b -ann', 1],
    ['-out -ann', 1], ['https://example.com/c', 1], ['tags:y', 1], ['type:message', 3], ['id:urn', 3], ['nothing', 0], ['-', 3]];
  for (const [words, count] of filters) {
    await page.fill('#filter', words);
    await page.evaluate(() => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); }));
    assert.equal(await mine.locator('.event').count(), count, words);
  }
  await page.fill('#filter', 'nothing');
  await waitText(page, '.lane .empty', 'Nothing passes the filter.');
  await page.fill('#filter', '');
  await shoot(page, 'light');

  // A publication comes back from the history, even after a reload of the page, which forgets the token.
  await page.locator('#history-box summary').click();
  assert.equal(await page.locator('#history li').count(), 4, 'the same publication is listed once');
  assert.equal(await page.locator('#history .bad').count(), 1, 'the one that was refused');
  await page.locator('#history .line', {hasText: '<img'}).click();
  assert.equal(await page.inputValue('#topics'), 'https://example.com/books/2\nhttps://example.com/other');
  assert.equal(await page.inputValue('#data'), '<img src=x onerror=alert(1)>');
  await page.reload();
  await page.locator('#history-box summary').click();
  await page.locator('#history .line', {hasText: 'out of stock'}).filter({has: page.locator('.good')}).click();
  assert.ok(await page.isChecked('#private'));

  assert.equal(await text(page, '#token-chip'), 'No token');
  await setToken(page, reader);
  await page.check('#beside');
  await page.click('#subscribe');
  await page.locator('#lanes .state[data-state=live]').nth(1).waitFor();
  await setToken(page, token);

  // ---- refusals in the hub's words ----
  await page.fill('#topics', '/.well-known/mercure/forged');
  await page.click('#publish');
  await waitText(page, '#publish-message', "400 Bad Request: a topic lies in the hub's own namespace");
  await page.click('#unsubscribe');
  await page.locator('#lanes .state[data-state=off]').nth(1).waitFor();
  assert.ok(await page.isDisabled('#unsubscribe'));
  await setToken(page, reader);
  await page.locator('.matcher-type').selectOption('match_urlpattern');
  await page.locator('.matcher-value').fill('https://[');
  await page.click('#subscribe');
  await waitText(page, '#subscribe-message', '400 Bad Request');

  // The history of the hub, with the cookie and with a cursor that the hub does not know.
  await setPanel(page, async () => {
    await page.locator('input[value=cookie]').check();
    await page.click('#cookie-set');
  });
  await page.uncheck('#beside');
  await page.locator('.matcher-type').selectOption('*');
  await page.fill('#cursor', 'urn:nobody:knows');
  await page.click('#clear');
  await page.click('#subscribe');
  await waitText(page, '#lanes .note', 'does not know the event urn:nobody:knows');
  await waitText(page, '#lanes .event', 'out of stock');
  assert.deepEqual(await page.locator('.lane-name').allTextContents(), ['With the cookie']);
  await setPanel(page, async () => {
    await page.click('#cookie-clear');
    await page.locator('input[value=header]').check();
    await page.fill('#token', token);
  });

  // ---- the same requests as code: it runs ----
  const codeOf = async (button, language) => {
    await page.click(button);
    await page.locator('#code-languages').getByText(language, {exact: true}).click();
    const code = await text(page, '#code-text');
    await page.click('#code-copy');
    await page.locator('#code-copy', {hasText: 'Copied'}).waitFor();
    assert.equal(await clipboard(), code);
    await page.keyboard.press('Escape');
    return code;
  };
  const programs = {curl: ['sh', '-c'], JavaScript: [process.execPath, '--input-type=module', '-e'], PHP: ['php', '-r'], Python: ['python3', '-c']};
  const tricky = 'it\'s "quoted" \\n $HOME ${x} `id` ünï\nsecond line';
  await page.fill('#data', tricky);
  await page.fill('#topics', "https://example.com/it's?a=1&b=2\nhttps://example.com/books/1");
  await page.uncheck('#private');
  await page.fill('#cursor', '');
  await page.click('#subscribe');
  await page.locator('#lanes .state[data-state=bad]').waitFor(); // the publisher's token may not subscribe
  await setPanel(page, () => page.locator('input[value=none]').check());
  await page.click('#subscribe');
  await page.locator('#lanes .state[data-state=live]').waitFor();
  await setPanel(page, () => page.locator('input[value=header]').check());
  let publishAgain;
  for (const [language, [program, ...args]] of Object.entries(programs)) {
    const code = await codeOf('#publish-code', language);
    const rows = page.locator('#lanes .event', {hasText: tricky.slice(0, 10)});
    const before = await rows.count();
    if (language === 'curl') publishAgain = () => run(program, [...args, code]);
    const {stdout} = await run(program, [...args, code.replace('<?php\n', '')]);
    const made = /urn:uuid:[0-9a-f-]+/.exec(stdout)?.[0];
    assert.ok(made, `${language}: ${stdout}`);
    await rows.nth(before).waitFor(); // the answer may come before the update
    const row = await openRow(page, tricky.slice(0, 10));
    await row.locator('.facts', {hasText: made}).waitFor();
    assert.equal(await row.locator('pre').textContent(), tricky, language);
  }
  await setToken(page, reader);
  await page.fill('#cursor', 'earliest');
  for (const [language, [program, ...args]] of Object.entries(programs)) {
    const code = await codeOf('#subscribe-code', language);
    const child = run(program, [...args, code.replace('<?php\n', '')], {timeout: 20000});
    let all = '';
    const times = (n) => new Promise((done) => {
      child.child.stdout.on('data', (chunk) => {
        all += chunk;
        if (all.split('second line').length > n) done();
      });
    });
    const replayed = Object.keys(programs).length + Object.keys(programs).indexOf(language);
    await Promise.race([times(replayed), child]);
    const live = times(replayed + 1);
    await publishAgain();
    await Promise.race([live, child]);
    child.child.kill();
    await child.catch(({killed, stderr}) => assert.ok(killed && all.split('second line').length > replayed + 1, `${language}: ${all} ${stderr}`));
  }

  // ---- a link fills the forms, and holds no token ----
  await page.locator('.matcher-type').selectOption('match_urlpattern');
  await page.locator('.matcher-value').fill('https://example.com/:x?a=*');
  await page.click('#add-matcher');
  await page.locator('.matcher-value').nth(1).fill('https://example.com/&=#');
  await page.check('#private');
  await page.getByText('id, type, retry').click();
  await page.fill('#type', 'news');
  await page.click('#share');
  await page.locator('#share', {hasText: 'Copied, without the token'}).waitFor();
  const shared = await clipboard();
  assert.ok(shared.startsWith(`${url}#`) && !shared.includes(reader.split('.')[1]) && !shared.includes('eyJ'));
  const other = await open({viewport: {width: 1920, height: 1080}, colorScheme: 'light'});
  await other.goto(shared);
  assert.deepEqual(await other.locator('.matcher-value').evaluateAll((all) => all.map(({value}) => value)), ['https://example.com/:x?a=*', 'https://example.com/&=#']);
  assert.equal(await other.inputValue('#cursor'), 'earliest');
  assert.equal(await other.inputValue('#data'), tricky);
  assert.equal(await other.inputValue('#type'), 'news');
  assert.ok(await other.isChecked('#private'));
  assert.equal(await text(other, '#token-chip'), 'No token');
  assert.equal(await other.locator('.lane .state').textContent(), 'not connected', 'a link starts nothing by itself');

  // ---- discovery, metadata, subscriptions ----
  await page.fill('#resource', '/page.html');
  await page.locator('#resource').press('Enter');
  await waitText(page, '#discovery li.good', 'names this hub');
  await page.getByText('Metadata of the hub').click();
  await waitText(page, '#metadata', 'bearer_methods_supported');
  await page.click('#presence');
  await waitText(page, '#presence-message', 'MercureSubscriptions is off');

  // ---- data that is nested deeply is text: neither a filter nor a row that opens stops at it ----
  const nested = await open({viewport: {width: 1280, height: 900}, colorScheme: 'light'});
  await nested.goto(url);
  await nested.click('#subscribe');
  await nested.locator('.state[data-state=live]').waitFor();
  await nested.fill('#filter', 'here');
  const depths = [64, 65, 4000, 20000];
  const arrays = (depth) => `${'['.repeat(depth)}"here ${depth}"${']'.repeat(depth)}`;
  await publishOutside(depths.length, (i) => arrays(depths[i]));
  await publishOutside(1, () => `{"last": "here", "text": "\\\\\\"${'['.repeat(100)}"}`);
  await nested.locator('.event', {hasText: '"last": "here"'}).waitFor();
  assert.equal(await nested.locator('.event').count(), depths.length + 1);
  for (const [i, depth] of depths.entries()) {
    const row = nested.locator('.event').nth(depths.length - i);
    await row.locator('.line').click();
    const shown = await row.locator('pre').textContent();
    assert.equal(shown.startsWith('[\n'), depth === 64, `depth ${depth}`);
    if (depth > 64) assert.ok(shown.startsWith(arrays(depth).slice(0, 20000)), `depth ${depth}`);
    await row.locator('.line').click();
    await row.locator('.opened').waitFor({state: 'detached'});
  }
  assert.match(await (await openRow(nested, '"last": "here"')).locator('pre').textContent(), /^\{\n  "last": "here",\n/);

  // ---- many events ----
  const many = await open({viewport: {width: 1280, height: 900}, colorScheme: 'light'});
  await many.goto(url);
  await many.click('#subscribe');
  await many.locator('.state[data-state=live]').waitFor();
  await publishOutside(300, (i) => JSON.stringify({n: i, name: `event number ${i}`}));
  await waitText(many, '.lane-count', '300 events');
  assert.equal(await many.locator('.event').count(), 200);
  await waitText(many, '.event >> nth=0', 'event number 299');
  await many.getByText('Show older events').click();
  await waitText(many, '.event', 'event number 0"');
  assert.equal(await many.locator('.event').count(), 300);
  await shoot(many, 'events-300-light');
  const box = await many.locator('.log-card').boundingBox();
  assert.ok(box.y >= 0 && box.y + box.height <= 900, 'the log is off the screen');
  // 10,000 events at once: the page answers, and keeps the newest.
  await many.route((target) => target.searchParams.has('last_event_id'), (route) => route.fulfill({
    headers: {'Content-Type': 'text/event-stream'},
    body: Array.from({length: 10500}, (_, i) => `id: big-${i}\ndata: {"n": ${i}, "text": "${'x'.repeat(100)}"}\n\n`).join(''),
  }));
  await many.fill('#cursor', 'earliest');
  const start = Date.now();
  await many.click('#subscribe');
  await waitText(many, '.event', '"n": 10499');
  await waitText(many, '#rate-total', '10,8');
  await many.fill('#filter', 'n:10499');
  await many.locator('.event').nth(1).waitFor({state: 'detached'});
  assert.equal(await many.locator('.event').count(), 1);
  await many.fill('#filter', '');
  console.log(`10,500 events and a filter: ${Date.now() - start} ms`);
  await shoot(many, 'events-10000-light');
  await many.click('#clear');
  await waitText(many, '.empty', 'No events yet');

  // ---- other screens: nothing is wider than the screen, and the log comes first on a phone ----
  for (const [name, options] of Object.entries({
    'dark': {viewport: {width: 1280, height: 900}, colorScheme: 'dark'},
    'large-light': {viewport: {width: 1920, height: 1080}, colorScheme: 'light'},
    'large-dark': {viewport: {width: 1920, height: 1080}, colorScheme: 'dark'},
    'phone-light': {viewport: {width: 390, height: 844}, colorScheme: 'light', isMobile: true, hasTouch: true},
    'phone-dark': {viewport: {width: 390, height: 844}, colorScheme: 'dark', isMobile: true, hasTouch: true},
    'zoom-400': {viewport: {width: 320, height: 225}, colorScheme: 'light', reducedMotion: 'reduce'},
  })) {
    const screen = await open(options);
    await screen.goto(url);
    await shoot(screen, `empty-${name}`);
    await setToken(screen, reader);
    await screen.locator('.matcher-type').selectOption('*');
    await screen.check('#beside');
    await screen.fill('#cursor', 'earliest');
    await screen.click('#subscribe');
    await screen.locator('.lane').nth(1).locator('.event').first().waitFor();
    await screen.fill('#filter', 'out of stock');
    await openRow(screen, 'out of stock');
    await screen.fill('#filter', '');
    const wide = await screen.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 0, `${name}: the page is ${wide} pixels wider than the screen`);
    const logTop = (await screen.locator('.log-card').boundingBox()).y;
    const formTop = (await screen.locator('#subscribe-title').boundingBox()).y;
    if (options.viewport.width < 900) assert.ok(logTop < formTop, `${name}: the log comes after the form`);
    await screen.evaluate(() => window.scrollTo(0, 0));
    await shoot(screen, name);
    if (name === 'phone-light' && folder) await screen.screenshot({path: `${folder}/phone-full.png`, fullPage: true});
    if (name === 'dark') {
      await screen.click('#publish-code');
      await shoot(screen, 'code-dark');
    }
    if (name === 'phone-dark' || name === 'zoom-400') {
      await screen.evaluate(() => window.scrollTo(0, 0));
      await screen.click('#token-chip');
      await shoot(screen, `token-${name}`);
      const panel = await screen.evaluate(() => document.querySelector('#token-panel').getBoundingClientRect().right - innerWidth);
      assert.ok(panel <= 0, `${name}: the token's panel is wider than the screen`);
    }
  }

  // ---- a hub that is down is described in words of this page, not in those of the browser ----
  const down = await open({viewport: {width: 1280, height: 900}, colorScheme: 'light'});
  await down.goto(url);
  await setToken(down, token);
  await down.route('**/*', (route) => route.abort());
  await setPanel(down, async () => {
    await down.click('#ask');
    await waitText(down, '#verdict li.bad', 'The hub does not answer');
  });
  await down.click('#publish');
  await waitText(down, '#publish-message', 'The hub does not answer');
  await down.click('#subscribe');
  await waitText(down, '#lanes .note', /The hub does not answer.*\(2 times\)/);
  assert.equal(await down.locator('#lanes .note').count(), 1);
  await down.locator('#resource').press('Enter');
  await waitText(down, '#discovery li.bad', 'The hub does not answer');
  await down.fill('#resource', 'http://[');
  await down.locator('#resource').press('Enter');
  await waitText(down, '#discovery li.bad', 'This is not a URL.');
  await down.click('#presence');
  await waitText(down, '#presence-message', 'The hub does not answer');
  assert.doesNotMatch(await text(down, '#debug-view'), /Failed to|NetworkError|TypeError/);
  await shoot(down, 'down-light');

  // Every field has a name, and no two elements have the same id.
  const nameless = await page.evaluate(() => [...document.querySelectorAll('input, textarea, select, button')]
    .filter((field) => !field.labels?.length && !field.getAttribute('aria-label') && !field.textContent.trim())
    .map((field) => field.outerHTML));
  assert.deepEqual(nameless, []);
  const ids = await page.evaluate(() => [...document.querySelectorAll('[id]')].map(({id: each}) => each));
  assert.deepEqual(ids.filter((each, i) => ids.indexOf(each) !== i), []);
});
