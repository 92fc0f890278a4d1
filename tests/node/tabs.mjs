// Many tabs of one browser, each with a stream, and pages that load meanwhile.
import {withBrowser} from './browser.mjs';

process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'; // the test's own certificate, on loopback

const {base, hub, token, topic, tabs: counts, updates, deadline} = JSON.parse(process.argv[2]);

async function until(condition, what) {
  for (const end = Date.now() + deadline * 1000; !await condition();) {
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function listen({url}) {
  window.events = [];
  window.opens = 0;
  window.source = new EventSource(url);
  source.onopen = () => { opens++; };
  source.onmessage = ({data}) => events.push(data);
}

async function publish(data) {
  const response = await fetch(hub, {method: 'POST', headers: {Authorization: `Bearer ${token}`},
    body: new URLSearchParams([['topic', topic], ['data', data]])});
  if (response.status !== 200) throw new Error(`publication: ${response.status} ${await response.text()}`);
}

const found = [];
await withBrowser(async (open) => {
  const first = await open();
  const context = first.context();
  await first.goto(base);
  const pages = [first], sent = [];
  const protocol = await first.evaluate(() => performance.getEntriesByType('navigation')[0].nextHopProtocol);
  for (const count of counts) {
    while (pages.length < count) pages.push(await context.newPage());
    for (const page of pages) {
      if (page.url() !== base) await page.goto(base);
      if (!await page.evaluate(() => 'source' in window)) await page.evaluate(listen, {url: `${hub}?match=${encodeURIComponent(topic)}`});
    }
    await until(async () => (await Promise.all(pages.map((page) => page.evaluate(() => opens)))).every((opens) => opens === 1),
      `${count} open streams`);
    const begun = sent.length;
    const beside = await context.newPage();
    for (let i = 0; i < updates; i++) {
      sent.push(`${count}/${i}`);
      await publish(sent.at(-1));
      await beside.goto(`${base}?${count}/${i}`);
    }
    await beside.close();
    await until(async () => (await Promise.all(pages.map((page) => page.evaluate(() => events.at(-1)))))
      .every((last) => last === sent.at(-1)), `the updates in ${count} tabs`);
    const all = await Promise.all(pages.map((page) => page.evaluate(() => events)));
    found.push({tabs: count, protocol, complete: all.filter((events) =>
      JSON.stringify(events.slice(-updates)) === JSON.stringify(sent.slice(begun))).length});
  }
}, {});
console.log(JSON.stringify(found));
