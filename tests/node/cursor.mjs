// Many pages of Chromium with an EventSource each, for tests that end their streams.
//
//     node cursor.mjs '{"pages": [URL, …], "each": 5}'
//
// pages: empty pages of the hub's server, each at another address, because a browser opens few connections to
// one address. each: the number of streams in one page. Reads commands from standard input, one JSON document
// in each line, and answers with one line of JSON:
//
//     {"open": URL}     opens that URL with all EventSources, and closes the previous ones: true
//     {"look": true}    for each EventSource [readyState, number of errors, data of each event]
import readline from 'node:readline';
import {launch} from './browser.mjs';

const {pages, each} = JSON.parse(process.argv[2]);

// Runs in a page.
function open({url, each}) {
  for (const {source} of globalThis.sources ?? []) source.close();
  globalThis.sources = Array.from({length: each}, () => {
    const one = {source: new EventSource(url), errors: 0, data: []};
    one.source.onerror = () => one.errors++;
    one.source.onmessage = ({data}) => one.data.push(data);
    return one;
  });
}

const look = () => globalThis.sources.map(({source, errors, data}) => [source.readyState, errors, data]);

const browser = await launch();
try {
  const context = await browser.newContext();
  const opened = await Promise.all(pages.map(async (url) => {
    const page = await context.newPage();
    await page.goto(url);
    return page;
  }));
  for await (const line of readline.createInterface({input: process.stdin})) {
    const command = JSON.parse(line);
    const url = command.open;
    const answers = await Promise.all(opened.map((page) => url ? page.evaluate(open, {url, each}) : page.evaluate(look)));
    console.log(JSON.stringify(url ? true : answers.flat()));
  }
} finally {
  await browser.close();
}
