// The live view: what happens in the hub, for an operator with a control token.
import {Chart} from './chart.js';
import {element} from './json.js';
import {Stream, unreachable} from './stream.js';
import {Streams} from './streams.js';
import {clean} from './token.js';

const byId = (id) => document.getElementById(id);

const KEPT = 300; // documents, one a second
const TOPICS = 6; // of each list
const QUANTILES = ['p50', 'p90', 'p99'];

// ---- words for numbers -----------------------------------------------------------------------------

export const plain = (value) => value.toLocaleString('en-US', {maximumFractionDigits: value < 10 ? 1 : 0});

export const short = (value) => (value < 10000 ? plain(value)
  : value.toLocaleString('en-US', {notation: 'compact', maximumSignificantDigits: 3}));

export function bytes(value) {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${value.toLocaleString('en-US', {maximumSignificantDigits: 3})} ${units[unit]}`;
}

function milliseconds(value) {
  if (value === null) return '–';
  return value < 1000 ? `${value.toLocaleString('en-US', {maximumSignificantDigits: 3})} ms`
    : `${(value / 1000).toLocaleString('en-US', {maximumSignificantDigits: 3})} s`;
}

// ---- the view --------------------------------------------------------------------------------------

export class Live {
  #stream = null;
  #samples = []; // documents, the oldest first; null: the hub did not answer
  #charts = {};
  #isLive = false;

  constructor(hub) {
    const root = hub.replace(/\/$/, '');
    this.url = `${root}/control/stats`;
    byId('live-aud').textContent = hub;
    this.streams = new Streams(`${root}/control`, () => this.#options(), () => this.#isLive);
    byId('live-form').addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.#stream?.isRunning) this.stop();
      else this.start();
    });
    this.#charts = {
      subscribers: new Chart(byId('chart-subscribers'), ['subscribers'], short),
      publications: new Chart(byId('chart-publications'), ['publications/s'], short),
      deliveries: new Chart(byId('chart-deliveries'), ['deliveries/s'], short),
      latency: new Chart(byId('chart-latency'), QUANTILES, milliseconds, {isLogarithmic: true}),
    };
  }

  #options() {
    return {headers: {Authorization: `Bearer ${clean(byId('live-token').value).token}`}, credentials: 'omit'};
  }

  #say(words, kind = '') {
    byId('live-message').textContent = words;
    byId('live-message').className = `message ${kind}`;
  }

  #show(state, words) {
    byId('live-state').dataset.state = state;
    byId('live-state').textContent = words;
    byId('live-watch').textContent = this.#stream?.isRunning ? 'Stop' : 'Watch';
    byId('live-body').classList.toggle('stale', state !== 'live' && this.#samples.length > 0);
  }

  start() {
    const {token} = clean(byId('live-token').value);
    if (!/^[\x21-\x7e]+$/.test(token)) {
      this.#say('Give a token that the MercureControlKey of the hub verifies.', 'bad');
      byId('live-token').focus();
      return;
    }
    this.#say('');
    this.#samples = [];
    this.#stream = new Stream(this.url, this.#options(), null, {
      state: (state, words) => {
        if (this.#isLive && state !== 'live') {
          this.#take(null);
          this.streams.pause(); // the list would fail for the same reason, in the same words
        } else if (!this.#isLive && state === 'live' && this.#samples.some(Boolean)) {
          this.streams.start();
        }
        this.#isLive = state === 'live';
        this.#show(state, words);
      },
      event: ({data}) => this.#take(JSON.parse(data)),
      comment: () => {},
      bytes: () => {},
      note: (words) => this.#say(words, words === unreachable() ? 'bad' : ''),
      refused: (words) => {
        this.streams.stop();
        this.#say(/^404/.test(words) ? `${words}. Without a MercureControlKey a hub has no live view.` : words, 'bad');
        this.#show('bad', 'refused');
      },
    });
  }

  stop() {
    this.#stream?.stop();
    this.streams.stop();
    this.#show('off', 'not connected');
  }

  #take(one) {
    if (one && !this.#samples.some(Boolean)) this.streams.start();
    this.#samples.push(one);
    if (this.#samples.length > KEPT) this.#samples.shift();
    if (!one) return;
    this.#say('');
    byId('live-body').hidden = false;
    byId('live-empty').hidden = true;
    this.#draw(one);
  }

  #draw(one) {
    const lines = (read) => this.#samples.map((each) => (each ? read(each) : null));
    const chart = (name, value, read, words) => {
      byId(`now-${name}`).textContent = words(value);
      this.#charts[name].show([lines(read)], KEPT, `${name} in the last five minutes; now ${words(value)}`);
    };
    chart('subscribers', one.subscribers, (each) => each.subscribers, short);
    chart('publications', one.publications_per_s, (each) => each.publications_per_s, short);
    chart('deliveries', one.deliveries_per_s, (each) => each.deliveries_per_s, short);
    QUANTILES.forEach((name) => { byId(`now-${name}`).textContent = milliseconds(one.latency_ms[name]); });
    this.#charts.latency.show(QUANTILES.map((name) => lines((each) => each.latency_ms[name])), KEPT,
      `latency in the last five minutes; now ${QUANTILES.map((name) => `${name} ${milliseconds(one.latency_ms[name])}`).join(', ')}`);
    byId('now-history').textContent = `${short(one.history.updates)} · ${bytes(one.history.bytes)}`;
    byId('now-memory').textContent = bytes(one.memory_bytes);
    byId('now-children').textContent = plain(one.children);
    byId('now-machines').textContent = one.machines_unanswered
      ? `${plain(one.machines)} · ${plain(one.machines_unanswered)} silent` : plain(one.machines);
    this.#list('topics-receivers', one.topics.receivers);
    this.#list('topics-updates', one.topics.updates);
  }

  // The topics with bars that show their share of the largest count.
  #list(id, topics) {
    const most = topics[0]?.count ?? 1;
    byId(id).replaceChildren(...topics.slice(0, TOPICS).map(({topic, count}) => {
      const row = element('li');
      const bar = element('span', 'bar');
      bar.style.width = `${(count / most * 100).toFixed(1)}%`;
      row.append(bar, Object.assign(element('span', 'topic', topic || '(empty)'), {title: topic}), element('span', 'count', short(count)));
      return row;
    }));
    byId(`${id}-empty`).hidden = topics.length > 0;
  }
}
