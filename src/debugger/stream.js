// A stream of events that can send an Authorization header, which EventSource cannot. It reconnects on its own,
// as EventSource does.

// The type of events that only carry the cursor, for browsers whose EventSource keeps no other ids.
const POSITION = 'mercure-position';

// Parses text into events (HTML Standard, "Interpreting an event stream").
export class Parser {
  #rest = '';
  #first = true;
  #fields = {data: [], type: ''};
  lastId = '';
  keptId = ''; // the same up to the last whole block
  retry = null;

  constructor(onEvent, onComment) {
    this.onEvent = onEvent;
    this.onComment = onComment;
  }

  feed(text) {
    if (this.#first && text) {
      text = text.replace(/^\uFEFF/, '');
      this.#first = false;
    }
    this.#rest += text;
    for (;;) {
      const end = this.#rest.search(/[\r\n]/);
      if (end < 0) return;
      // A CR at the end may be the first half of a CRLF.
      if (this.#rest[end] === '\r' && end === this.#rest.length - 1) return;
      const line = this.#rest.slice(0, end);
      this.#rest = this.#rest.slice(end + (this.#rest.startsWith('\r\n', end) ? 2 : 1));
      this.#line(line);
    }
  }

  #line(line) {
    if (line === '') return this.#dispatch();
    if (line.startsWith(':')) return this.onComment();
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') this.#fields.data.push(value);
    else if (name === 'event') this.#fields.type = value;
    else if (name === 'id' && !value.includes('\0')) this.lastId = value;
    else if (name === 'retry' && /^[0-9]+$/.test(value)) this.retry = Number(value);
  }

  #dispatch() {
    const {data, type} = this.#fields;
    this.#fields = {data: [], type: ''};
    this.keptId = this.lastId;
    if (data.length) this.onEvent({id: this.lastId, type: type || 'message', data: data.join('\n')});
  }
}

// The text of a header field, in which fetch() returns each byte as a character; null if there is no such field.
export function fieldText(value) {
  return value === null ? null : new TextDecoder().decode(Uint8Array.from(value, (c) => c.charCodeAt(0)));
}

// Describes a refusal by its status, and by the detail of its problem document if it has one.
export async function explain(response) {
  const challenge = response.headers.get('WWW-Authenticate') || '';
  const error = /error="([^"]*)"/.exec(challenge);
  let detail = '';
  try {
    detail = (await response.json()).detail || '';
  } catch {
    // not a problem document
  }
  return `${response.status} ${response.statusText}${error ? ` (${error[1]})` : ''}${detail ? `: ${detail}` : ''}`;
}

// Describes why fetch() failed without an answer. The browser's own words differ from browser to browser and
// say nothing about the hub.
export function unreachable(error) {
  return error instanceof TypeError && !navigator.onLine ? 'The browser is offline.'
    : 'The hub does not answer: it is not running, or the network, a proxy or an access rule is in the way.';
}

// on: the callbacks state(state, words), event(event), comment(), bytes(count), note(words), refused(words, status);
// optionally lost(), which is called when events may be missing.
export class Stream {
  #abort = null;
  #timer = 0;
  #stopped = false;
  #isOpen = false;

  constructor(url, options, cursor, on) {
    Object.assign(this, {url, options, cursor, on});
    this.#connect();
  }

  // Whether the stream is open, or will be opened again.
  get isRunning() {
    return !this.#stopped;
  }

  stop() {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.on.state('off', 'not connected');
  }

  async #connect() {
    const url = new URL(this.url);
    const headers = new Headers(this.options.headers);
    headers.set('Accept', 'text/event-stream');
    if (this.cursor !== null) url.searchParams.set('last_event_id', this.cursor);
    this.#abort = new AbortController();
    this.#isOpen = false;
    this.on.state('wait', 'connecting');
    let wait = 3000;
    try {
      const response = await fetch(url, {...this.options, headers, signal: this.#abort.signal, cache: 'no-store'});
      if (response.status !== 200) {
        const words = await explain(response);
        if (response.status !== 503) return this.#give_up(words, response.status);
        this.on.note(words);
      } else if (!(response.headers.get('Content-Type') || '').startsWith('text/event-stream')) {
        return this.#give_up('the answer is not an event stream');
      } else {
        this.#tell_cursor(fieldText(response.headers.get('Mercure-Last-Event-ID')));
        wait = await this.#read(response.body.getReader()) ?? wait;
      }
    } catch (error) {
      if (this.#stopped) return;
      this.on.note(this.#isOpen ? 'The connection broke; reconnecting with the last event id.' : unreachable(error));
    }
    if (this.#stopped) return;
    this.on.state('wait', `reconnecting in ${(wait / 1000).toFixed(1)} s`);
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  #tell_cursor(id) {
    if (id === null || this.cursor === null) return;
    if (id === this.cursor) return;
    this.on.note(this.cursor === 'earliest' || this.cursor === ''
      ? `The hub starts after ${id}`
      : `The hub does not know the event ${this.cursor} (any more). It starts after ${id}, so events may be missing.`);
    if (this.cursor !== 'earliest') this.on.lost?.();
  }

  async #read(reader) {
    const decoder = new TextDecoder();
    const parser = new Parser(
      (event) => {
        if (event.id) this.cursor = event.id;
        if (event.type !== POSITION || event.data) this.on.event(event);
      },
      () => this.on.comment());
    this.#isOpen = true;
    this.on.state('live', 'connected');
    for (;;) {
      const {value, done} = await reader.read();
      if (done) break;
      this.on.bytes(value.length);
      parser.feed(decoder.decode(value, {stream: true}));
      if (parser.keptId) this.cursor = parser.keptId;
    }
    if (!this.#stopped) this.on.note('The hub ended the stream; reconnecting with the last event id.');
    return parser.retry;
  }

  #give_up(words, status) {
    if (this.#stopped) return;
    this.#stopped = true;
    this.on.state('bad', 'refused');
    this.on.refused(words, status);
  }
}
