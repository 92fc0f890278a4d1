// The log: one lane for each subscriber, the events as rows that open, and how many come per second.
import {copying, element, preOf} from './json.js';
import {Searchable, filterOf} from './filter.js';

const KEPT = 10000; // events of all lanes; older ones are forgotten
const PAGE = 200; // rows of a lane at first, and more at each "Show older events"
const PEEK_CHARS = 300;
const SECONDS = 60;

const byId = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat(undefined, {hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3, hour12: false});

function noteRow({time, words, isBad, count}) {
  const made = element('li', isBad ? 'note bad' : 'note');
  made.append(element('time', '', clock.format(time)), ' ', words, count > 1 ? ` (${count} times)` : '');
  return made;
}

function facts(entry) {
  const list = element('dl', 'facts');
  const bytes = new TextEncoder().encode(entry.data).length;
  for (const [name, value] of [['id', entry.id], ['type', entry.type], ['size', `${bytes.toLocaleString()} bytes`]]) {
    const pair = element('div');
    pair.append(element('dt', '', name), element('dd', 'mono', value));
    list.append(pair);
  }
  return list;
}

// on: the callback cursor(id) of "Start after this".
function openPart(entry, on) {
  const made = element('div', 'opened');
  const buttons = element('div', 'row');
  const button = (words) => Object.assign(element('button', 'text', words), {type: 'button'});
  const after = button('Start after this');
  after.addEventListener('click', () => on.cursor(entry.id));
  buttons.append(copying(button('Copy data'), () => entry.data), copying(button('Copy id'), () => entry.id), after);
  made.append(facts(entry), preOf(entry.data), buttons);
  return made;
}

function eventRow(entry, on) {
  const made = element('li', entry.type === 'mercure' ? 'event hub' : 'event');
  const line = Object.assign(element('button', 'line'), {type: 'button'});
  line.setAttribute('aria-expanded', 'false');
  const peek = entry.data.slice(0, PEEK_CHARS).replace(/\s+/g, ' ');
  line.append(element('time', '', clock.format(entry.time)));
  if (entry.type !== 'message') line.append(element('b', 'type', entry.type));
  line.append(element('span', 'peek', peek || '(no data)'), element('span', 'short', entry.id.slice(-8)));
  line.addEventListener('click', () => {
    const isOpen = line.getAttribute('aria-expanded') === 'true';
    line.setAttribute('aria-expanded', String(!isOpen));
    if (isOpen) made.querySelector('.opened').remove();
    else made.append(openPart(entry, on));
  });
  made.append(line);
  return made;
}

// The column of one subscriber.
class Lane {
  entries = []; // oldest first
  #shown = PAGE;
  #count = 0;

  constructor(name, on) {
    this.name = name;
    this.on = on;
    this.section = byId('lane-template').content.cloneNode(true).querySelector('section');
    const find = (selector) => this.section.querySelector(selector);
    find('.lane-name').textContent = name;
    [this.state, this.list, this.empty, this.more, this.number] = ['.state', '.log', '.empty', '.more', '.lane-count'].map(find);
    find('.rows').setAttribute('aria-label', `Events of the subscriber ${name}, newest first`);
    this.more.addEventListener('click', () => {
      this.#shown += PAGE;
      on.changed();
    });
  }

  // A repeated note, such as while the hub is down, is one row with the time of the last one.
  add(entry) {
    const last = this.entries.at(-1);
    if (last && entry.words !== undefined && last.words === entry.words) {
      entry.count += last.count;
      this.entries.pop();
    }
    this.entries.push(entry);
    if (entry.data !== undefined) this.#count++;
  }

  forget(count) {
    this.entries.splice(0, count);
  }

  clear() {
    this.entries.length = 0;
    this.#count = 0;
    this.#shown = PAGE;
    this.list.replaceChildren();
  }

  // Shows the newest entries that pass; keeps existing rows, because they may be open.
  render(passes) {
    const wanted = [];
    let matching = 0;
    for (let i = this.entries.length - 1; i >= 0; i--) {
      const entry = this.entries[i];
      if (!passes(entry.search)) continue;
      if (++matching > this.#shown) break;
      wanted.push(entry);
    }
    const isMore = matching > this.#shown;
    const keep = new Set(wanted.map((entry) => entry.row).filter(Boolean));
    [...this.list.children].forEach((row) => keep.has(row) || row.remove());
    let next = this.list.firstChild;
    for (const entry of wanted) {
      entry.row ??= entry.data === undefined ? noteRow(entry) : eventRow(entry, this.on);
      if (entry.row === next) next = next.nextSibling;
      else this.list.insertBefore(entry.row, next);
    }
    this.more.hidden = !isMore;
    this.empty.hidden = wanted.length > 0;
    this.empty.textContent = this.entries.length ? 'Nothing passes the filter.'
      : this.state.dataset.state === 'live' ? 'Connected. No events yet.' : 'No events yet. Subscribe, then publish something.';
    this.number.textContent = this.#count ? `${this.#count.toLocaleString()} ${this.#count === 1 ? 'event' : 'events'}` : '';
    return matching;
  }
}

export class Log {
  #lanes = [];
  #counts = {total: 0, comments: 0};
  #seconds = Array.from({length: SECONDS}, () => ({events: 0, bytes: 0}));
  #paused = false;
  #held = [];
  #passes = filterOf('');
  #frame = 0;

  // on: the callback cursor(id), for the button "Start after this" of an event
  constructor(on) {
    this.on = {...on, changed: () => this.#later()};
    byId('clear').addEventListener('click', () => this.clear());
    byId('pause').addEventListener('click', (event) => {
      this.#paused = !this.#paused;
      event.currentTarget.setAttribute('aria-pressed', String(this.#paused));
      if (!this.#paused) this.#held.splice(0).forEach(([lane, entry]) => this.#keep(lane, entry));
      this.#later();
    });
    byId('filter').addEventListener('input', () => {
      this.#passes = filterOf(byId('filter').value);
      this.#later();
    });
    setInterval(() => this.#tick(), 1000);
    this.#tick();
  }

  // Makes room for the subscribers NAMES; lanes of the same name keep their events. Returns the lanes.
  open(names) {
    const old = this.#lanes;
    this.#lanes = names.map((name) => old.find((lane) => lane.name === name) ?? new Lane(name, this.on));
    byId('lanes').replaceChildren(...this.#lanes.map(({section}) => section));
    this.#later();
    return this.#lanes;
  }

  event(lane, {id, type, data}) {
    this.#counts.total++;
    this.#seconds.at(-1).events++;
    this.#add(lane, {time: Date.now(), id, type, data, search: new Searchable({id, type, data})});
  }

  note(lane, words, isBad = false) {
    this.#add(lane, {time: Date.now(), words, isBad, count: 1, search: new Searchable({words})});
  }

  state(lane, state, words) {
    lane.state.dataset.state = state;
    lane.state.textContent = words;
    this.#later();
  }

  comment() {
    this.#counts.comments++;
  }

  bytes(count) {
    this.#seconds.at(-1).bytes += count;
  }

  clear() {
    this.#held.length = 0;
    this.#lanes.forEach((lane) => lane.clear());
    this.#later();
  }

  #add(lane, entry) {
    if (!this.#paused) this.#keep(lane, entry);
    else if (this.#held.push([lane, entry]) > KEPT) this.#held.shift();
    this.#later();
  }

  #keep(lane, entry) {
    lane.add(entry);
    const most = Math.floor(KEPT / this.#lanes.length);
    // In blocks, because the front of an array is not cheap to remove.
    if (lane.entries.length > most + PAGE) lane.forget(lane.entries.length - most);
  }

  // Renders once for all changes of a frame; a page in the background has no frames and renders when it is visible again.
  #later() {
    this.#frame ||= requestAnimationFrame(() => this.#render());
  }

  #render() {
    this.#frame = 0;
    const counts = this.#lanes.map((lane) => lane.render(this.#passes));
    const isFiltered = byId('filter').value.trim() !== '';
    byId('filter-count').textContent = !isFiltered ? '' : counts.some((count) => count) ? 'The log shows what passes the filter.' : 'Nothing passes the filter.';
    byId('pause').textContent = this.#paused ? `Resume${this.#held.length ? ` (${this.#held.length.toLocaleString()})` : ''}` : 'Pause';
    byId('rate-total').textContent = this.#counts.total.toLocaleString();
  }

  #tick() {
    const recent = this.#seconds.slice(-10);
    const mean = (name) => recent.reduce((sum, second) => sum + second[name], 0) / recent.length;
    const most = Math.max(1, ...this.#seconds.map((second) => second.events));
    byId('rate-events').textContent = mean('events') ? mean('events').toFixed(1) : '0';
    byId('rate-bytes').textContent = Math.round(mean('bytes')).toLocaleString();
    byId('rate-comments').textContent = this.#counts.comments.toLocaleString();
    byId('spark').replaceChildren(...this.#seconds.map(({events}, i) => {
      const bar = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
      const height = events ? Math.max(2, 24 * events / most) : 0.8;
      for (const [name, value] of Object.entries({x: i * 2, y: 24 - height, width: 1.5, height})) bar.setAttribute(name, value);
      return bar;
    }));
    this.#seconds.push({events: 0, bytes: 0});
    this.#seconds.shift();
  }
}
