// The open streams of a hub: page by page, each with a button that ends it.
import {element} from './json.js';
import {explain, unreachable} from './stream.js';

const byId = (id) => document.getElementById(id);

const PAGE = 100;
const SHOWN = 1000; // rows at most; the filter finds the others
const REFRESH_MS = 30000; // of a list that is not longer than a page; each call is a line in the hub's log
const SOON_MS = 2000; // after a stream was ended
const SURE_MS = 4000; // the second click on Disconnect comes within this time

function age(since) {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(since)) / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

const sizeOf = (count) => (count < 1000 ? `${count} B` : count < 1e6 ? `${(count / 1024).toFixed(0)} KB` : `${(count / 1048576).toFixed(1)} MB`);
const tail = (id) => (id.startsWith('urn:uuid:') ? id.slice(9, 17) : id.slice(0, 12));

function cell(name, content, className) {
  const made = element('td', className);
  made.dataset.name = name;
  made.append(content);
  return made;
}

function matchersOf(one) {
  const made = element('div', 'matchers');
  one.matchers.slice(0, 3).forEach(({match, match_type: type}) => {
    const line = element('div');
    line.append(element('code', '', match), ...(type === 'exact' ? [] : [` ${type}`]));
    made.append(line);
  });
  const more = one.matchers.length - 3 + (one.matchers_left_out ?? 0);
  if (more > 0) made.append(element('div', 'hint', `and ${more} more`));
  return made;
}

export class Streams {
  #after = null;
  #isBad = false; // what the message says is no longer true after a good answer
  #timer = 0;
  #run = 0; // counts starts and stops: a late answer is ignored
  #body = byId('streams-table').tBodies[0];

  // options(): those of fetch() that present the operator's token. isLive(): whether the hub answers, as far as the
  // live view knows; otherwise it says why not.
  constructor(control, options, isLive) {
    Object.assign(this, {control, options, isLive});
    byId('streams-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.start();
    });
    byId('streams-more').addEventListener('click', () => this.#read(this.#run, this.#after));
  }

  start() {
    this.stop();
    this.#read(this.#run, null);
  }

  stop() {
    this.#run++;
    clearTimeout(this.#timer);
  }

  // Stops, and removes the message about what has gone wrong.
  pause() {
    this.stop();
    if (this.#isBad) this.#say('');
  }

  #say(words, kind = '') {
    this.#isBad = kind !== 'good' && words !== '';
    byId('streams-message').textContent = words;
    byId('streams-message').className = `message ${kind}`;
  }

  // One page; without AFTER the first one, which replaces the list.
  async #read(run, after) {
    const url = new URL(`${this.control}/streams`);
    url.searchParams.set('limit', PAGE);
    for (const name of ['sub', 'match']) if (byId(`streams-${name}`).value) url.searchParams.set(name, byId(`streams-${name}`).value);
    if (after !== null) url.searchParams.set('after', after);
    clearTimeout(this.#timer);
    try {
      const response = await fetch(url, {...this.options(), cache: 'no-store'});
      const words = response.ok ? '' : await explain(response);
      const page = response.ok ? await response.json() : null;
      if (run !== this.#run) return;
      if (words || this.#isBad) this.#say(words, 'bad');
      if (page) this.#show(page, after !== null);
    } catch (error) {
      if (run !== this.#run) return;
      this.#say(this.isLive() ? unreachable(error) : '', 'bad');
    }
    if (this.#body.rows.length <= PAGE) this.#refresh(REFRESH_MS);
  }

  #refresh(ms) {
    const run = this.#run;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#read(run, null), ms);
  }

  #show(page, isMore) {
    const asked = this.#body.querySelector('.sure');
    if (!isMore && asked) return; // a row that is about to be clicked stays where it is
    const focused = document.activeElement?.closest('#streams-table tr')?.dataset.id;
    const rows = page.streams.map((one) => this.#row(one));
    if (isMore) this.#body.append(...rows);
    else this.#body.replaceChildren(...rows);
    if (focused && !isMore) [...this.#body.rows].find((row) => row.dataset.id === focused)?.querySelector('button').focus();
    this.#after = page.after ?? null;
    const count = this.#body.rows.length;
    byId('streams-more').hidden = this.#after === null || count >= SHOWN;
    byId('streams-table').hidden = count === 0;
    byId('streams-empty').hidden = count > 0;
    byId('streams-count').textContent = this.#after === null ? `${count}` : `first ${count}`;
    const silent = [[page.unanswered, 'child process', 'child processes'], [page.machines_unanswered, 'machine', 'machines']]
      .filter(([number]) => number).map(([number, one, many]) => `${number} ${number === 1 ? one : many}`);
    if (silent.length) this.#say(`${silent.join(' and ')} did not answer: streams are missing.`, 'warn');
    else if (this.#after !== null && count >= SHOWN) this.#say(`These are the first ${SHOWN} streams. Filter by sub or topic to see others.`);
  }

  #row(one) {
    const row = element('tr');
    row.dataset.id = one.subscriber;
    const name = element('div', 'who', one.sub ?? 'anonymous');
    if (one.sub === null) name.classList.add('hint');
    const id = Object.assign(element('div', 'hint mono', tail(one.subscriber)), {title: one.subscriber});
    const who = element('div');
    who.append(name, id);
    const last = Object.assign(element('span', 'mono', one.last_id === null ? '?' : tail(one.last_id)), {title: one.last_id ?? 'not known'});
    const since = Object.assign(element('time', '', age(one.since)), {dateTime: one.since, title: one.since});
    row.append(cell('Subscriber', who), cell('Topics', matchersOf(one)), cell('Address', one.address ?? '?', 'mono'), cell('Open for', since, 'number'),
      cell('Carrier', one.carrier), cell('Waiting', sizeOf(one.waiting_bytes), one.waiting_bytes > 65536 ? 'number warn' : 'number'), cell('Last event', last), cell('', this.#button(one), 'action'));
    return row;
  }

  // Two clicks end the stream: the first one asks.
  #button(one) {
    const button = Object.assign(element('button', 'quiet', 'Disconnect'), {type: 'button'});
    const name = one.sub ?? 'the anonymous subscriber';
    button.setAttribute('aria-label', `Disconnect ${name}, ${tail(one.subscriber)}`);
    button.addEventListener('click', () => {
      if (button.classList.contains('sure')) {
        this.#disconnect(one, button);
        return;
      }
      button.classList.add('sure');
      button.textContent = 'Really?';
      button.setAttribute('aria-label', `Really disconnect ${name}?`);
      setTimeout(() => {
        if (!button.classList.contains('sure')) return;
        button.classList.remove('sure');
        button.textContent = 'Disconnect';
        button.setAttribute('aria-label', `Disconnect ${name}, ${tail(one.subscriber)}`);
      }, SURE_MS);
    });
    return button;
  }

  async #disconnect(one, button) {
    button.classList.remove('sure');
    button.disabled = true;
    button.textContent = 'Ended';
    try {
      const response = await fetch(`${this.control}/disconnect`, {...this.options(), method: 'POST', body: new URLSearchParams({subscriber: one.subscriber})});
      if (response.ok) {
        button.closest('tr').classList.add('gone');
        this.#say(`The stream of ${one.sub ?? 'an anonymous subscriber'} has ended. Its client may reconnect; to prevent that, revoke its token.`, 'good');
        if (this.#body.rows.length <= PAGE) this.#refresh(SOON_MS);
        return;
      }
      this.#say(await explain(response), 'bad');
    } catch (error) {
      this.#say(unreachable(error), 'bad');
    }
    button.disabled = false;
    button.textContent = 'Disconnect';
  }
}
