// JSON as text with colours, without markup from the data.

const SHOWN_CHARS = 20000;
// Deeper JSON is text: JSON.stringify is recursive, and each level makes every line of the indented text longer.
const DEPTH_MAX = 64;
const TOKENS = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

export function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// Whether the brackets of the text, if it is JSON, are nested more than DEPTH_MAX deep.
function isTooDeep(text) {
  let depth = 0;
  let isString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"') isString = !isString;
    else if (isString) i += char === '\\' ? 1 : 0;
    else if (char === '[' || char === '{') depth++;
    else if (char === ']' || char === '}') depth--;
    if (depth > DEPTH_MAX) return true;
  }
  return false;
}

// The value that the text holds as JSON; undefined if it is not JSON, or nested more than DEPTH_MAX deep.
export function parseJson(text) {
  if (isTooDeep(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function pretty(text) {
  const value = parseJson(text);
  return value === undefined ? text : JSON.stringify(value, null, 2);
}

const kindOf = (token, colon) => (colon ? 'key' : token[0] === '"' ? 'string' : /^[tfn]/.test(token) ? 'word' : 'number');

// A <pre> that shows the data: JSON indented and coloured, other text as it is.
export function preOf(data) {
  const made = element('pre', 'json');
  const isJson = parseJson(data) !== undefined;
  const all = pretty(data);
  const text = all.slice(0, SHOWN_CHARS);
  let from = 0;
  for (const match of isJson ? text.matchAll(TOKENS) : []) {
    const [whole, string, colon] = match;
    const token = string ?? whole;
    made.append(text.slice(from, match.index), element('span', kindOf(token, colon), token));
    from = match.index + token.length;
  }
  made.append(text.slice(from));
  if (all.length > text.length) made.append(`\n… (${all.length.toLocaleString()} characters in total)`);
  return made;
}

// Copies text, even on a page that is not a secure context; returns whether that worked.
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = element('textarea', 'sr');
    field.value = text;
    (document.querySelector('dialog[open]') ?? document.body).append(field);
    field.select();
    const isCopied = document.execCommand('copy');
    field.remove();
    return isCopied;
  }
}

// A button that copies what TEXT() returns, and says so for a moment.
export function copying(button, text) {
  const words = button.textContent;
  let timer = 0;
  button.addEventListener('click', async () => {
    button.textContent = await copy(text()) ? 'Copied' : 'The browser does not allow it';
    clearTimeout(timer);
    timer = setTimeout(() => { button.textContent = words; }, 1500);
  });
  return button;
}
