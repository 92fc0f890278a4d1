// Drives the examples: node examples.mjs ORIGIN [FOLDER for screenshots]
import assert from 'node:assert/strict';
import {withBrowser} from './browser.mjs';

const [origin, folder] = process.argv.slice(2);

await withBrowser(async (open) => {
  const [anna, ben] = [await open({viewport: {width: 700, height: 600}}), await open({viewport: {width: 390, height: 700}, colorScheme: 'dark'})];
  for (const page of [anna, ben]) {
    await page.goto(`${origin}/examples/chat/?room=tea`);
    await page.locator('#state', {hasText: 'tea'}).waitFor();
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
  if (folder) {
    await ben.screenshot({path: `${folder}/chat.png`});
    await board.screenshot({path: `${folder}/dashboard.png`});
  }
});
