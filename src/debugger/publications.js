// Publications: when an update came back, and which were sent before.
import {element} from './json.js';

const KEPT = 30;
const SEEN = 500; // ids of events, for those that come before the answer of their publication
const SILENCE_MS = 2000;
const STORE = 'mercure-debugger-history';

const byId = (id) => document.getElementById(id);
const milliseconds = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

// Says how long an update takes: from the request to the answer, and from the answer to each subscriber.
export class RoundTrip {
  #seen = new Map(); // "lane id": when the event came
  #wanted = null; // the last publication

  // Notes that the subscriber LANE received the event ID.
  event(lane, id) {
    const key = `${lane} ${id}`;
    if (this.#seen.has(key)) return;
    this.#seen.set(key, performance.now());
    if (this.#seen.size > SEEN) this.#seen.delete(this.#seen.keys().next().value);
    if (this.#wanted?.id === id) this.#show();
  }

  // LANES: the names of the subscribers that are connected.
  answered(id, sent, lanes) {
    clearTimeout(this.#wanted?.timer);
    this.#wanted = {id, sent, at: performance.now(), lanes, isLate: false};
    this.#wanted.timer = setTimeout((wanted) => {
      wanted.isLate = true;
      if (wanted === this.#wanted) this.#show();
    }, SILENCE_MS, this.#wanted);
    this.#show();
  }

  #show() {
    const {id, sent, at, lanes, isLate} = this.#wanted;
    const first = element('p', 'good');
    first.append('Published as ', element('span', 'mono', id));
    first.lastChild.id = 'publish-id';
    const lines = [first, element('p', '', `Answered after ${milliseconds(at - sent)}.`)];
    for (const lane of lanes) {
      const came = this.#seen.get(`${lane} ${id}`);
      if (came !== undefined) lines.push(element('p', 'good', `${lane}: back ${milliseconds(Math.abs(came - at))} ${came < at ? 'before' : 'after'} the answer.`));
      else if (isLate) lines.push(element('p', 'warn', `${lane}: not received. Its topics do not match, or the update is private and its token does not grant it.`));
      else lines.push(element('p', '', `${lane}: …`));
    }
    byId('publish-message').className = 'message';
    byId('publish-message').replaceChildren(...lines);
  }
}

// The publications of this tab. They hold data, so they go when the tab is closed.
export class History {
  #all = [];

  // on: the callback chosen(fields) with the fields of a publication: an array of [name, value]
  constructor(on) {
    this.on = on;
    try {
      const kept = JSON.parse(sessionStorage.getItem(STORE) ?? '[]');
      this.#all = Array.isArray(kept) ? kept.filter(({fields}) => Array.isArray(fields)).slice(0, KEPT) : [];
    } catch {
      // the browser keeps nothing for this page
    }
    this.#show();
  }

  add(fields, isGood) {
    const text = JSON.stringify(fields);
    this.#all = [{time: Date.now(), isGood, fields}, ...this.#all.filter((one) => JSON.stringify(one.fields) !== text)].slice(0, KEPT);
    try {
      sessionStorage.setItem(STORE, JSON.stringify(this.#all));
    } catch {
      // too large: the list stays in memory
    }
    this.#show();
  }

  #show() {
    byId('history-box').hidden = !this.#all.length;
    byId('history-count').textContent = `(${this.#all.length})`;
    byId('history').replaceChildren(...this.#all.map(({time, isGood, fields}) => {
      const button = Object.assign(element('button', 'line'), {type: 'button'});
      const value = (name) => fields.find(([each]) => each === name)?.[1] ?? '';
      button.append(element('time', '', new Date(time).toLocaleTimeString()), element('span', isGood ? 'good' : 'bad', isGood ? '✓' : '✗'),
        element('span', 'peek', `${value('topic')} ${value('data').slice(0, 200)}`));
      button.querySelector('.good, .bad').setAttribute('aria-label', isGood ? 'published' : 'refused');
      button.addEventListener('click', () => this.on.chosen(fields));
      const item = element('li');
      item.append(button);
      return item;
    }));
  }
}
