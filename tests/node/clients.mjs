// Real clients against a hub: Chromium's EventSource and fetch streams, and npm's eventsource and
// fetch-event-source. The hub ends each stream after a moment, so that all of them have to reconnect. Prints
// as JSON what each client received and how often it connected.
//
//     node clients.mjs '{"hub": …, "own": …, "listed": …, "other": …, "token": …, "deadline": …}'
//
// hub: its URL. own, listed, other: pages on the hub's origin, on an origin that CORS lists, and on one that
// it does not list; they set the cookie. token: may publish and subscribe. deadline: in seconds.
import { EventSource } from "eventsource";
import fes from "@microsoft/fetch-event-source";
import { launch } from "./browser.mjs";

const { hub, own, listed, other, token, deadline } = JSON.parse(process.argv[2]);
const TOPIC = "https://example.com/books/1";
const PATTERN = "https://example.com/books/:id";
// If a stream ends before its first event, the client has no id to reconnect with. The next stream also begins here.
const FIRST = { last_event_id: "earliest" };
const bearer = { Authorization: `Bearer ${token}` };

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(predicate, what) {
    for (const end = Date.now() + deadline * 1000; !(await predicate()); await wait(50)) {
        if (Date.now() > end) throw new Error(`not within ${deadline} s: ${what}: ${JSON.stringify(clients)}`);
    }
}

async function publish(fields) {
    const body = new URLSearchParams({ topic: TOPIC, private: "on", ...fields });
    const answer = await fetch(hub, { method: "POST", headers: bearer, body });
    if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`);
    return answer.text();
}

// Each client stores its events, as [id, type, data], and the number of its connections.
const clients = {};
const add = (name) => (clients[name] = { opens: 0, events: [] });

// ---- npm ----------------------------------------------------------------------------------------

function startEventsource() {
    const client = add("eventsource");
    const source = new EventSource(`${hub}?${new URLSearchParams({ match: TOPIC, ...FIRST })}`, {
        fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, ...bearer } }),
    });
    const take = (event) => client.events.push([event.lastEventId, event.type, event.data]);
    source.onopen = () => client.opens++;
    source.addEventListener("message", take);
    source.addEventListener("book", take);
    return () => source.close();
}

function startFetchEventSource() {
    // The package is for browsers, and asks whether the page is visible.
    globalThis.window = globalThis;
    globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
    const client = add("fetch-event-source");
    const control = new AbortController();
    fes.fetchEventSource(`${hub}?${new URLSearchParams({ match_urlpattern: PATTERN, ...FIRST })}`, {
        headers: { ...bearer },
        signal: control.signal,
        openWhenHidden: true,
        async onopen(answer) {
            if (answer.status === 200) client.opens++;
        },
        onmessage(event) {
            if (event.data) client.events.push([event.id, event.event || "message", event.data]);
        },
        onclose() {
            throw new Error("the hub has ended the stream: reconnect");
        },
        onerror() {}, // reconnects after the hub's retry time
    }).catch(() => {});
    return () => control.abort();
}

// ---- Chromium -----------------------------------------------------------------------------------

const started = (name) => globalThis.clients[name];

// Runs in a page: an EventSource, whose token is the cookie.
function pageEventSource({ url, credentials, name }) {
    const client = ((globalThis.clients ??= {})[name] = { opens: 0, errors: 0, events: [] });
    const source = new EventSource(url, { withCredentials: credentials });
    const take = (event) => client.events.push([event.lastEventId, event.type, event.data]);
    source.onopen = () => client.opens++;
    source.onerror = () => client.errors++;
    source.onmessage = take;
    source.addEventListener("book", take);
}

// Runs in a page: a stream that is read with fetch, by QUERY and with the token in the Authorization field.
async function pageFetchStream({ url, body, token, name }) {
    const client = ((globalThis.clients ??= {})[name] = { opens: 0, cursors: [], events: [] });
    let last = null;
    for (;;) {
        const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/x-www-form-urlencoded" };
        if (last !== null) headers["Last-Event-ID"] = last;
        const answer = await fetch(url, { method: "QUERY", headers, body });
        if (!answer.ok) throw new Error(await answer.text());
        client.opens++;
        client.cursors.push([last, answer.headers.get("Mercure-Last-Event-ID")]);
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        let text = "";
        for (let part = await reader.read(); !part.done; part = await reader.read()) {
            const blocks = (text + part.value).split("\n\n");
            text = blocks.pop();
            for (const block of blocks) {
                const fields = { event: [], id: [], data: [] };
                for (const line of block.split("\n")) {
                    const colon = line.indexOf(":");
                    fields[line.slice(0, colon)]?.push(line.slice(colon + 1).replace(/^ /, ""));
                }
                if (!fields.data.length) continue;
                last = fields.id[0];
                client.events.push([last, fields.event[0] ?? "message", fields.data.join("\n")]);
            }
        }
    }
}

// Runs in a page: tries what a script of the page's origin can do with the hub, besides streams.
async function pageTries({ url, metadata, token }) {
    const form = new URLSearchParams({ topic: "https://example.com/tries", data: location.origin });
    const status = (promise) => promise.then((answer) => answer.status, () => "blocked");
    const challenge = (promise) =>
        promise.then((answer) => answer.headers.get("WWW-Authenticate"), () => "blocked");
    return {
        cookie: document.cookie, // empty, because the cookie is HttpOnly
        publish: await status(fetch(url, { method: "POST", body: form, credentials: "include" })),
        publishBlindly: await status(fetch(url, { method: "POST", body: form, credentials: "include", mode: "no-cors" })),
        publishWithField: await status(fetch(url, { method: "POST", body: form, headers: { Authorization: `Bearer ${token}` } })),
        challenge: await challenge(fetch(url, { method: "POST", body: form, credentials: "omit" })),
        metadata: await fetch(metadata).then((answer) => answer.json()).then((json) => json.resource, () => "blocked"),
    };
}

const browser = await launch();
try {
    const context = await browser.newContext();
    const pages = {};
    for (const [name, url] of Object.entries({ own, listed, other })) {
        pages[name] = await context.newPage();
        await pages[name].goto(url);
    }
    const query = new URLSearchParams({ match: TOPIC, ...FIRST });
    const streams = { "Chromium EventSource": pages.own, "Chromium EventSource, other origin": pages.listed,
        "Chromium EventSource, foreign origin": pages.other };
    for (const [name, page] of Object.entries(streams))
        await page.evaluate(pageEventSource, { url: `${hub}?${query}`, credentials: page !== pages.own, name });
    const fetching = "Chromium fetch, other origin";
    streams[fetching] = pages.listed;
    pages.listed.evaluate(pageFetchStream, { url: hub, body: `${new URLSearchParams({ match_urlpattern: PATTERN, ...FIRST })}`,
        token, name: fetching }).catch(() => {});
    const stops = [startEventsource(), startFetchEventSource()];

    const refresh = async () => {
        for (const [name, page] of Object.entries(streams)) clients[name] = await page.evaluate(started, name);
        return Object.entries(clients);
    };
    const allowed = async () => (await refresh()).filter(([name]) => !name.includes("foreign"));
    await until(async () => (await allowed()).every(([, client]) => client?.opens), "all streams open");

    const sent = [];
    const send = async (fields) => {
        const id = `urn:x:${sent.length} "\\`;
        await publish({ id, ...fields });
        sent.push([id, fields.type ?? "message", fields.data]);
    };
    await send({ data: "first", retry: "100" });
    await until(async () => {
        await send(sent.length % 2 ? { data: `line 1\nline 2: ${sent.length}`, type: "book" } : { data: `${sent.length}` });
        await wait(100);
        return (await allowed()).every(([, client]) => client.opens > 1);
    }, "all have come back");
    await send({ data: "last" });
    await until(async () => (await allowed()).every(([, client]) => client.events.length >= sent.length), "all updates");
    const tries = {};
    for (const [name, page] of Object.entries(pages)) {
        const metadata = hub.replace("/.well-known/", "/.well-known/oauth-protected-resource/.well-known/");
        tries[name] = await page.evaluate(pageTries, { url: hub, metadata, token });
    }
    await until(async () => (await refresh()).every(([name, client]) => !name.includes("foreign") || client.errors),
        "the error of the foreign page");
    stops.forEach((stop) => stop());
    console.log(JSON.stringify({ sent, clients, tries }));
} finally {
    await browser.close();
}
process.exit(0);
