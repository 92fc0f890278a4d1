// The table of active subscriptions: read once from the subscription API, then kept up to date by events.
import {Stream, explain, fieldText, unreachable} from './stream.js';

const byId = (id) => document.getElementById(id);

// At most this many rows: more would only slow the page down. All subscriptions are counted.
const SHOWN = 500;
// The page gets the event of its own subscription at once if its token may read the events. After this time
// without any, the page says that it may not.
const SILENCE_MS = 3000;

const quotedString = (text) => /last-event-id="((?:[^"\\]|\\.)*)"/.exec(text)?.[1].replace(/\\(.)/g, '$1') ?? null;

// The cells of a document of version 1, or of protocol 0.x, which has topic in place of match and match_type.
function cells(one) {
  const matcher = one.match === undefined ? [one.topic, 'topic (0.x)'] : [one.match, one.match_type];
  return [...matcher, one.subscriber, one.payload === undefined ? '' : JSON.stringify(one.payload)];
}

const isSubscription = (one) => /^subscription$/i.test(one?.type) && typeof one.id === 'string';

export class Presence {
  #stream = null;
  #run = 0; // counts starts and stops; an answer that belongs to an earlier count is ignored
  #all = new Map(); // id: document
  #rows = new Map(); // id: its row, if it has one
  #early = null; // documents of events that come while the list is being read
  #silence = 0;
  #isLive = false;
  #isHeard = false;
  #body = byId('presence-table').tBodies[0];

  // options() returns the options of fetch() that present the token
  constructor(hub, options) {
    Object.assign(this, {hub, options});
    // The path may contain characters that are syntax in a pattern: they are escaped.
    this.pattern = `${new URL(hub).pathname.replace(/[\\:*?+(){}]/g, '\\$&').replace(/\/$/, '')}/subscriptions/*`;
    this.list = `${hub.replace(/\/$/, '')}/subscriptions`;
    byId('presence').addEventListener('click', () => (byId('presence').getAttribute('aria-pressed') === 'true' ? this.stop() : this.start()));
  }

  stop(words = '', kind = '') {
    this.#run++;
    this.#stream?.stop();
    this.#stream = null;
    clearTimeout(this.#silence);
    this.#say(words, kind);
    this.#press(false);
    byId('presence-table').hidden = true;
  }

  async start() {
    const run = ++this.#run;
    this.#press(true);
    this.#isHeard = false;
    this.#say('…');
    const found = await this.#read(run);
    if (!found) return;
    this.#fill(found.list);
    byId('presence-table').hidden = false;
    this.#watch(run, found.cursor);
  }

  // Returns the list and the cursor of the events that follow it. Returns null if that failed, which the page
  // then says, or if the answer is no longer wanted.
  async #read(run) {
    let response;
    let list;
    try {
      response = await fetch(this.list, {...this.options(), cache: 'no-store'});
      if (response.ok) list = (await response.json().catch(() => ({}))).subscriptions;
    } catch (error) {
      if (run === this.#run) this.stop(unreachable(error), 'bad');
      return null;
    }
    const words = Array.isArray(list) ? '' : await this.#refusal(response);
    if (run !== this.#run) return null;
    if (words) {
      this.stop(words, 'bad');
      return null;
    }
    return {list, cursor: quotedString(fieldText(response.headers.get('Link')) || '')};
  }

  async #refusal(response) {
    if (response.status === 404) return 'This hub does not list its subscriptions: MercureSubscriptions is off.';
    const words = await explain(response);
    if (response.ok) return 'The answer is not a list of subscriptions: something between this page and the hub has changed it.';
    if (response.status === 401) return `The hub lists its subscriptions only for a valid token. ${words}`;
    if (response.status === 403) return `This token may not read the list of subscriptions: it must grant subscribe on ${new URL(this.list).pathname}. ${words}`;
    return words;
  }

  #watch(run, cursor) {
    const url = new URL(this.hub);
    url.searchParams.set('match_urlpattern', this.pattern);
    this.#isLive = false;
    this.#stream = new Stream(url, this.options(), cursor, {
      comment: () => {}, bytes: () => {}, note: () => {},
      state: (state, words) => this.#state(state, words),
      lost: () => this.#again(run),
      refused: (words) => this.stop(`The hub refuses the stream of subscription events: ${words}`, 'bad'),
      event: ({data}) => this.#event(data),
    });
  }

  #state(state, words) {
    this.#isLive = state === 'live';
    clearTimeout(this.#silence);
    if (state === 'wait') this.#say(`${this.#number()} so far; ${words}`, 'warn');
    if (!this.#isLive) return;
    this.#count();
    if (!this.#isHeard) this.#silence = setTimeout(() => this.#count(true), SILENCE_MS);
  }

  // Events may be missing: reads the list again, and applies the events that came meanwhile.
  async #again(run) {
    if (this.#early) return;
    this.#early = [];
    const found = await this.#read(run);
    const early = this.#early;
    this.#early = null;
    if (!found) return;
    this.#fill(found.list);
    early.forEach((one) => this.#put(one));
    this.#count();
  }

  #event(data) {
    let one;
    try {
      one = JSON.parse(data);
    } catch {
      return; // not an event of the hub
    }
    if (!isSubscription(one)) return;
    this.#isHeard = true;
    clearTimeout(this.#silence);
    this.#early?.push(one);
    this.#put(one);
    this.#count();
  }

  #fill(list) {
    this.#all.clear();
    this.#rows.clear();
    this.#body.replaceChildren();
    list.filter(isSubscription).forEach((one) => this.#put(one));
  }

  #put(one) {
    this.#rows.get(one.id)?.remove();
    this.#rows.delete(one.id);
    this.#all.delete(one.id);
    if (one.active) this.#all.set(one.id, one);
    if (this.#rows.size >= SHOWN || this.#rows.size === this.#all.size) return;
    const next = one.active ? one : [...this.#all.values()].find(({id}) => !this.#rows.has(id));
    const row = this.#body.insertRow();
    cells(next).forEach((text, i) => {
      row.insertCell().textContent = text;
      row.cells[i].dataset.name = ['Matcher', 'Type', 'Subscriber', 'Payload'][i];
    });
    this.#rows.set(next.id, row);
  }

  #number() {
    const more = this.#all.size > this.#rows.size ? `, ${this.#rows.size} of them shown` : '';
    return `${this.#all.size} active ${this.#all.size === 1 ? 'subscription' : 'subscriptions'}${more}`;
  }

  #count(isSilent = false) {
    if (isSilent) this.#say(`${this.#number()} when the list was read. This token may read the list, but not the events, so the table does not change. To follow the events, the token must grant subscribe on the pattern ${this.pattern}`, 'warn');
    else if (this.#isLive) this.#say(`${this.#number()}${this.#isHeard ? ', including the one of this page' : ''}`, 'good');
  }

  #press(isOn) {
    byId('presence').setAttribute('aria-pressed', String(isOn));
    byId('presence').textContent = isOn ? 'Stop' : 'Watch';
  }

  #say(words, kind = '') {
    byId('presence-message').textContent = words;
    byId('presence-message').className = `message ${kind}`;
  }
}
