// Clients of protocol 0.x in Chromium: its EventSource with the cookie mercureAuthorization, and npm's
// event-source-polyfill, which sends the token in a field and reconnects with the parameter lastEventId.
// The hub ends each stream after a moment. Prints as JSON what each client received, how often it connected,
// and how often it had connected when its first update came: earlier updates may have been missed.
//
//     node legacy-clients.mjs '{"hub": …, "own": …, "listed": …, "token": …, "deadline": …}'
//
// hub: its URL. own: a page on the hub's origin, which sets the cookie. listed: a page on an origin that CORS
// lists. token: may publish and subscribe. deadline: in seconds.
import { createRequire } from "node:module";
import { launch } from "./browser.mjs";

const { hub, own, listed, token, deadline } = JSON.parse(process.argv[2]);
const polyfill = createRequire(import.meta.url).resolve("event-source-polyfill/src/eventsource.min.js");
const url = `${hub}?${new URLSearchParams({ topic: "https://example.com/books/{id}" })}`;

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function publish(data) {
    const body = new URLSearchParams({ topic: "https://example.com/books/1", private: "on", retry: 100, data });
    const answer = await fetch(hub, { method: "POST", headers: { Authorization: `Bearer ${token}` }, body });
    if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`);
    return [await answer.text(), data];
}

// Runs in a page: opens a stream and stores its events.
function listen({ url, token }) {
    const client = (globalThis.client = { opens: 0, events: [] });
    const headers = { Authorization: `Bearer ${token}` };
    const source = token
        ? new globalThis.EventSourcePolyfill(url, { headers, withCredentials: false, heartbeatTimeout: 600000 })
        : new EventSource(url);
    source.onopen = () => client.opens++;
    source.onmessage = (event) => {
        client.first ??= client.opens;
        client.events.push([event.lastEventId, event.data]);
    };
}

const browser = await launch();
try {
    const context = await browser.newContext();
    const pages = { EventSource: await context.newPage(), polyfill: await context.newPage() };
    await pages.EventSource.goto(own);
    await pages.polyfill.goto(listed);
    await pages.polyfill.addScriptTag({ path: polyfill });
    await pages.EventSource.evaluate(listen, { url });
    await pages.polyfill.evaluate(listen, { url, token });

    const clients = {};
    const until = async (enough, what) => {
        for (const end = Date.now() + deadline * 1000; ; await wait(50)) {
            for (const [name, page] of Object.entries(pages))
                clients[name] = await page.evaluate(() => globalThis.client);
            if (await enough(Object.values(clients))) return;
            if (Date.now() > end) throw new Error(`not within ${deadline} s: ${what}: ${JSON.stringify(clients)}`);
        }
    };
    const sent = [];
    await until((all) => all.every(({ opens }) => opens), "both streams open");
    await until(async (all) => {
        sent.push(await publish(`${sent.length}`));
        await wait(100);
        return all.every(({ opens, first }) => opens > first);
    }, "both have come back");
    await until((all) => all.every(({ events }) => events.at(-1)[0] === sent.at(-1)[0]), "all updates");
    console.log(JSON.stringify({ sent, clients }));
} finally {
    await browser.close();
}
process.exit(0);
