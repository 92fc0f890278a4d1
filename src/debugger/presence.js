// Who listens to what: the subscription API once, and then its events.
import {Stream, explain} from './stream.js';

const byId = (id) => document.getElementById(id);

export class Presence {
  #stream = null;
  #rows = new Map();
  #body = byId('presence-table').tBodies[0];

  // options(): what fetch() gets to present the token
  constructor(hub, options) {
    Object.assign(this, {hub, options});
    byId('presence').addEventListener('click', () => (this.#stream ? this.stop() : this.start()));
  }

  stop(words = '') {
    this.#stream?.stop();
    this.#stream = null;
    this.#say(words);
    byId('presence').setAttribute('aria-pressed', 'false');
    byId('presence').textContent = 'Watch';
  }

  async start() {
    let response;
    let list;
    this.#say('…');
    try {
      response = await fetch(`${this.hub}/subscriptions`, {...this.options(), cache: 'no-store'});
      if (response.ok) list = (await response.json()).subscriptions;
    } catch (error) {
      return this.#say(`The hub does not answer: ${error.message}`, 'bad');
    }
    if (response.status === 404) return this.#say('This hub does not tell its subscriptions: MercureSubscriptions is off.');
    if (!response.ok || !Array.isArray(list)) return this.#say(await explain(response), 'bad');
    this.#rows.clear();
    this.#body.replaceChildren();
    list.forEach((one) => this.#put(one));
    this.#watch(/last-event-id="([^"]*)"/.exec(response.headers.get('Link') || '')?.[1] ?? null);
  }

  #watch(cursor) {
    const path = new URL(this.hub).pathname;
    const url = new URL(this.hub);
    url.searchParams.set('match_urlpattern', `${path}/subscriptions/*`);
    byId('presence').setAttribute('aria-pressed', 'true');
    byId('presence').textContent = 'Stop';
    byId('presence-table').hidden = false;
    this.#count();
    this.#stream = new Stream(url, this.options(), cursor, {
      state: () => {}, comment: () => {}, bytes: () => {}, note: () => {},
      refused: (words) => this.stop(words),
      event: ({type, data}) => {
        if (type !== 'mercure') return;
        try {
          this.#put(JSON.parse(data));
        } catch {
          // not the hub's
        }
        this.#count();
      },
    });
  }

  #put(one) {
    if (one.type !== 'subscription') return;
    this.#rows.get(one.id)?.remove();
    this.#rows.delete(one.id);
    if (!one.active) return;
    const row = this.#body.insertRow();
    for (const text of [one.match, one.match_type, one.subscriber, one.payload === undefined ? '' : JSON.stringify(one.payload)]) {
      row.insertCell().textContent = text;
    }
    this.#rows.set(one.id, row);
  }

  #count() {
    this.#say(`${this.#rows.size} active ${this.#rows.size === 1 ? 'subscription' : 'subscriptions'}`, 'good');
  }

  #say(words, kind = '') {
    byId('presence-message').textContent = words;
    byId('presence-message').className = `message ${kind}`;
  }
}
