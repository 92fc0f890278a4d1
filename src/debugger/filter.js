// The filter of the log: which events contain the words, and the keys with these values?
import {parseJson} from './json.js';

// The words of a filter. A word in quotation marks may contain spaces, key:"two words" too.
function wordsOf(text) {
  return [...text.matchAll(/(-?)(?:([\w.$@/-]+):)?(?:"([^"]*)"|(\S+))/g)].map(([whole, minus, key, quoted, plain]) => ({
    isNot: minus === '-',
    text: (minus ? whole.slice(1) : whole).replace(/^"(.*)"$/, '$1'),
    key,
    value: quoted ?? plain,
  }));
}

// Calls VISIT(path, value) for each member below VALUE until VISIT returns true.
function someMember(value, visit, path = '') {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([name, member]) => {
    const place = path ? `${path}.${name}` : name;
    return visit(place.toLowerCase(), member) || someMember(member, visit, place);
  });
}

// The text that the filter searches: an event's type, id and data, as it came and as JSON in both spacings.
export class Searchable {
  #texts = null;
  #value = undefined;

  constructor(fields) {
    this.fields = fields;
  }

  #prepare() {
    if (this.#texts) return;
    const {data = '', ...others} = this.fields;
    this.#value = parseJson(data);
    const texts = [...Object.values(others), data];
    if (this.#value !== undefined) texts.push(JSON.stringify(this.#value), JSON.stringify(this.#value, null, 2));
    this.#texts = texts.map((text) => String(text).toLowerCase());
  }

  contains(text) {
    this.#prepare();
    return this.#texts.some((each) => each.includes(text));
  }

  // Whether a field, or a member of the data, is named KEY and its value contains VALUE. KEY may be the end of a path.
  has(key, value) {
    this.#prepare();
    const fits = (text) => String(text).toLowerCase().includes(value);
    if (key in this.fields && fits(this.fields[key])) return true;
    return someMember(this.#value, (path, member) => (path === key || path.endsWith(`.${key}`))
      && fits(typeof member === 'object' && member !== null ? JSON.stringify(member) : member));
  }
}

// A function that says whether a Searchable passes the filter TEXT.
export function filterOf(text) {
  const whole = text.trim().toLowerCase();
  if (!whole) return () => true;
  const words = wordsOf(whole);
  const passes = (one, {text: word, key, value}) => one.contains(word) || (key !== undefined && one.has(key, value));
  return (one) => one.contains(whole) || words.every((word) => passes(one, word) !== word.isNot);
}
