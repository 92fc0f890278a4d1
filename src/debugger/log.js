// The list of events, and how many come per second.

const KEPT = 300;
const SECONDS = 60;
const SHOWN_CHARS = 20000;

const byId = (id) => document.getElementById(id);

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function pretty(data) {
  let text = data;
  try {
    text = JSON.stringify(JSON.parse(data), null, 2);
  } catch {
    // not JSON: shown unchanged
  }
  return text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}\n… (${text.length} characters in total)` : text;
}

// The texts in which the filter looks for words: the event as it came, as JSON without spaces, and as it is shown.
function searchable(id, type, data) {
  const texts = [`${type} ${id}`, data, pretty(data)];
  try {
    texts.push(JSON.stringify(JSON.parse(data)));
  } catch {
    // not JSON
  }
  return texts.map((text) => text.toLowerCase());
}

export class Log {
  #list = byId('log');
  #counts = {total: 0, comments: 0};
  #seconds = Array.from({length: SECONDS}, () => ({events: 0, bytes: 0}));
  #paused = false;
  #held = [];
  #texts = new WeakMap(); // item: the texts that the filter searches

  constructor() {
    byId('clear').addEventListener('click', () => this.clear());
    byId('pause').addEventListener('click', (event) => {
      this.#paused = !this.#paused;
      event.currentTarget.setAttribute('aria-pressed', String(this.#paused));
      if (!this.#paused) this.#held.splice(0).forEach((item) => this.#show(item));
      this.#refresh();
    });
    byId('filter').addEventListener('input', () => [...this.#list.children].forEach((item) => this.#filter(item)));
    setInterval(() => this.#tick(), 1000);
    this.#tick();
  }

  event({id, type, data}) {
    const item = element('li', type === 'mercure' ? 'hub' : '');
    const meta = element('div', 'meta');
    meta.append(element('time', '', new Date().toLocaleTimeString()), element('b', '', type), element('span', 'mono', id));
    item.append(meta, element('pre', '', pretty(data)));
    this.#texts.set(item, searchable(id, type, data));
    this.#counts.total++;
    this.#seconds.at(-1).events++;
    this.#add(item);
    byId('rate-total').textContent = this.#counts.total;
  }

  note(words) {
    this.#add(element('li', 'note', `${new Date().toLocaleTimeString()} ${words}`));
  }

  comment() {
    byId('rate-comments').textContent = ++this.#counts.comments;
  }

  bytes(count) {
    this.#seconds.at(-1).bytes += count;
  }

  clear() {
    this.#held.length = 0;
    this.#list.replaceChildren();
    this.#refresh();
  }

  #add(item) {
    if (this.#paused) {
      this.#held.push(item);
      if (this.#held.length > KEPT) this.#held.shift();
    } else {
      this.#show(item);
    }
    this.#refresh();
  }

  #show(item) {
    this.#filter(item);
    this.#list.prepend(item);
    while (this.#list.children.length > KEPT) this.#list.lastChild.remove();
  }

  #filter(item) {
    const wanted = byId('filter').value.toLowerCase();
    const texts = this.#texts.get(item) ?? [item.textContent.toLowerCase()];
    item.hidden = !texts.some((text) => text.includes(wanted));
  }

  #refresh() {
    byId('pause').textContent = this.#paused ? `Resume${this.#held.length ? ` (${this.#held.length})` : ''}` : 'Pause';
    byId('log-empty').hidden = this.#list.children.length > 0;
  }

  #tick() {
    const recent = this.#seconds.slice(-10);
    const mean = (name) => recent.reduce((sum, second) => sum + second[name], 0) / recent.length;
    const most = Math.max(1, ...this.#seconds.map((second) => second.events));
    byId('rate-events').textContent = mean('events') ? mean('events').toFixed(1) : '0';
    byId('rate-bytes').textContent = Math.round(mean('bytes')).toLocaleString();
    byId('spark').replaceChildren(...this.#seconds.map(({events}, i) => {
      const bar = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
      const height = events ? Math.max(1.5, 24 * events / most) : 0.6;
      for (const [name, value] of Object.entries({x: i * 2, y: 24 - height, width: 1.5, height})) bar.setAttribute(name, value);
      return bar;
    }));
    this.#seconds.push({events: 0, bytes: 0});
    this.#seconds.shift();
  }
}
