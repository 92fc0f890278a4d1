// The page: reads its forms and sends the requests.
import {Stream, explain, unreachable} from './stream.js';
import {clean, parse, inspect, grants, summary} from './token.js';
import {copy, element} from './json.js';
import {Log} from './log.js';
import {Presence} from './presence.js';
import {History, RoundTrip} from './publications.js';
import {LANGUAGES} from './code.js';
import {Live} from './live.js';

const byId = (id) => document.getElementById(id);
const HUB = document.querySelector('link[rel=mercure]').href;
const HUB_PATH = new URL(HUB).pathname;
const NAMES = {header: 'With the token', cookie: 'With the cookie', none: 'Anonymous'};
const known = {resource: null, cookie: '__Secure-mercure_access_token'};
const log = new Log({cursor: startAfter});
const roundTrip = new RoundTrip();
const sent = new History({chosen: fillPublication});
let subscribers = []; // {name, stream, isLive}
let details = [];
// What the hub said when it refused the token in the Authorization field, for each role.
const refusals = {subscribe: '', publish: ''};

function say(id, words, kind = '') {
  byId(id).textContent = words;
  byId(id).className = `message ${kind}`;
}

function list(id, lines) {
  const made = document.createElement('ul');
  for (const [kind, words] of lines) {
    const item = document.createElement('li');
    item.className = kind;
    item.textContent = words;
    made.append(item);
  }
  byId(id).replaceChildren(...(lines.length ? [made] : []));
}

// ---- the token -----------------------------------------------------------------------------------

const tokenText = () => clean(byId('token').value).token;
const transport = () => document.querySelector('input[name=transport]:checked').value;

// Whether a request sends the token in the Authorization field, which cannot hold characters outside ASCII. The
// inspector says that those do not belong there.
const isSent = (how = transport()) => how === 'header' && /^[\x20-\x7e]+$/.test(tokenText());

// How the token is presented: header, cookie or none, which is also the case where there is no token to send.
const presented = () => (transport() === 'header' && !isSent() ? 'none' : transport());

// How a request presents the token.
function options(how = transport()) {
  const headers = {};
  if (isSent(how)) headers.Authorization = `Bearer ${tokenText()}`;
  return {headers, credentials: how === 'cookie' ? 'same-origin' : 'omit'};
}

// Forgets what the hub said, because the token, or the way in which it is sent, has changed.
function changeToken() {
  refusals.subscribe = '';
  refusals.publish = '';
  byId('verdict').replaceChildren();
  inspectToken();
}

// Notes the hub's answer to a request of ROLE. Only a 401 for a token that this page sent is about the token.
function heard(role, status, words) {
  refusals[role] = status === 401 && isSent() ? words : '';
  if (refusals[role]) byId('verdict').replaceChildren();
  inspectToken();
}

// The token in a few words, on the button that opens its panel.
function showChip(token) {
  const {kind, words} = summary(token, known.resource);
  const isRefused = refusals.publish && refusals.subscribe;
  const how = {header: '', cookie: ' · in the cookie', none: ' · not sent'}[transport()];
  byId('token-chip').dataset.kind = refusals.publish || refusals.subscribe ? 'bad' : kind;
  byId('token-chip').textContent = !token ? words : isRefused ? 'Token refused by the hub'
    : refusals.publish ? `Token refused for publishing${how}` : refusals.subscribe ? `Token refused for subscribing${how}` : words + how;
}

function inspectToken() {
  details = [];
  const {token: text, left} = clean(byId('token').value);
  const lines = left ? [['plain', `The page sends the token without ${left}.`]] : [];
  for (const [role, name] of [['publish', 'Publishing'], ['subscribe', 'Subscribing']]) {
    if (refusals[role]) lines.push(['bad', `${name}: the hub refuses this token: ${refusals[role]}`]);
  }
  const token = text ? parse(text) : null;
  showChip(token);
  if (!token) return list('inspection', []);
  if (token.error) return list('inspection', [...lines, ['bad', token.error]]);
  const found = inspect(token, known.resource);
  details = found.details;
  if (found.refused) lines.push(['bad', 'The hub would refuse this token:']);
  // What a token grants counts for nothing where the token is refused.
  for (const [kind, words, role] of found.lines) lines.push([role && (found.refused || refusals[role]) ? 'plain' : kind, words]);
  list('inspection', lines);
  showGrant();
}

function showGrant() {
  const topic = byId('grant-topic').value;
  const words = {true: 'yes', false: 'no', null: 'unknown (this browser does not support URL Patterns)'};
  byId('grant-result').textContent = `publish: ${words[grants(details, 'publish', topic, HUB)]} · private updates: ${words[grants(details, 'subscribe', topic, HUB)]}`;
}

// Sends two requests that need the token but have no effect: a subscription that opens no stream (HEAD),
// and a publication without a topic.
async function askHub() {
  list('verdict', [['plain', 'Asking…']]);
  const lines = [];
  const ask = async (role, name, isAccepted, url, request) => {
    const response = await fetch(url, {...options(), ...request});
    if (isAccepted(response)) {
      heard(role, response.status, '');
      lines.push(['good', `${name}: accepted.`]);
    } else {
      const words = await explain(response);
      heard(role, response.status, words);
      if (!refusals[role]) lines.push(['bad', `${name}: ${words}`]);
    }
  };
  try {
    await ask('subscribe', 'Subscribing', (response) => response.ok, `${HUB}?match=urn%3Amercure%3Adebugger`, {method: 'HEAD', cache: 'no-store'});
    await ask('publish', 'Publishing to the topics listed above', ({status}) => status === 400, HUB, {method: 'POST', body: new URLSearchParams()});
    if (refusals.subscribe || refusals.publish) lines.push(['plain', "The server's error log has the reason if it is written at LogLevel mercure:info."]);
  } catch (error) {
    lines.push(['bad', unreachable(error)]);
  }
  list('verdict', lines);
}

function setCookie(value) {
  const life = value ? '' : '; Max-Age=0';
  document.cookie = `${known.cookie}=${value}; Path=${HUB_PATH}; Secure; SameSite=Strict${life}`;
  list('verdict', [['plain', value
    ? `The cookie ${known.cookie} is set for ${HUB_PATH} until the browser is closed. A server should also set HttpOnly. Over plain HTTP, browsers accept this cookie only on localhost.`
    : `The cookie ${known.cookie} has been removed, unless it was set with HttpOnly.`]]);
}

// ---- subscribe -----------------------------------------------------------------------------------

function addMatcher(type = 'match', value = '') {
  const made = byId('matcher-template').content.cloneNode(true);
  const [select, input] = [made.querySelector('select'), made.querySelector('input')];
  const number = byId('matchers').children.length + Date.now();
  [[select, 'type'], [input, 'value']].forEach(([field, name], i) => {
    field.id = `matcher-${name}-${number}`;
    made.querySelectorAll('label')[i].htmlFor = field.id;
  });
  select.value = type;
  input.value = value;
  const sync = () => {
    input.disabled = select.value === '*';
    input.placeholder = {match: 'https://example.com/books/1', match_urlpattern: 'https://example.com/books/:id', '*': 'every topic'}[select.value];
  };
  select.addEventListener('change', sync);
  made.querySelector('.remove').addEventListener('click', (event) => {
    if (byId('matchers').children.length > 1) event.currentTarget.closest('.matcher').remove();
    byId('add-matcher').focus();
  });
  sync();
  byId('matchers').append(made);
  return input;
}

// The matchers of the form, as [parameter, value].
const matchers = () => [...byId('matchers').children].map((row) => {
  const type = row.querySelector('select').value;
  return type === '*' ? ['match', '*'] : [type, row.querySelector('input').value];
});

function subscribeUrl() {
  const url = new URL(HUB);
  matchers().forEach(([name, value]) => url.searchParams.append(name, value));
  return url;
}

function startAfter(id) {
  byId('cursor').value = id;
  byId('cursor').scrollIntoView({block: 'nearest'});
  byId('cursor').focus();
}

function connect(lane, how) {
  const subscriber = {name: lane.name, isLive: false};
  subscriber.stream = new Stream(subscribeUrl(), options(how), byId('cursor').value || null, {
    state: (state, words) => {
      subscriber.isLive = state === 'live';
      if (state === 'live' && how === presented()) heard('subscribe', 200, '');
      log.state(lane, state, words);
      byId('unsubscribe').disabled = !subscribers.some(({stream}) => stream?.isRunning);
    },
    event: (update) => {
      log.event(lane, update);
      roundTrip.event(lane.name, update.id);
    },
    comment: () => log.comment(),
    bytes: (count) => log.bytes(count),
    note: (words) => log.note(lane, words),
    refused: (words, status) => {
      if (how === presented()) heard('subscribe', status, words);
      log.note(lane, words, true);
      say('subscribe-message', `${lane.name}: ${words}`, 'bad');
    },
  });
  return subscriber;
}

function subscribe(event) {
  event.preventDefault();
  subscribers.forEach(({stream}) => stream.stop());
  subscribers = [];
  say('subscribe-message', '');
  const how = presented();
  const hows = how !== 'none' && byId('beside').checked ? [how, 'none'] : [how];
  const lanes = log.open(hows.map((each) => NAMES[each]));
  subscribers = lanes.map((lane, i) => connect(lane, hows[i]));
  byId('unsubscribe').disabled = false;
}

// ---- publish -------------------------------------------------------------------------------------

const FIELDS = ['id', 'type', 'retry'];

function publication() {
  const topics = byId('topics').value.split('\n').map((line) => line.trim()).filter(Boolean);
  return [...topics.map((topic) => ['topic', topic]), ['data', byId('data').value],
    ...(byId('private').checked ? [['private', 'on']] : []),
    ...FIELDS.filter((name) => byId(name).value).map((name) => [name, byId(name).value])];
}

function fillPublication(fields) {
  const all = (name) => fields.filter(([each]) => each === name).map(([, value]) => String(value));
  byId('topics').value = all('topic').join('\n');
  byId('data').value = all('data')[0] ?? '';
  byId('private').checked = all('private').length > 0;
  FIELDS.forEach((name) => { byId(name).value = all(name)[0] ?? ''; });
  byId('data').focus();
}

async function publish(event) {
  event.preventDefault();
  const fields = publication();
  const start = performance.now();
  say('publish-message', '…');
  try {
    const response = await fetch(HUB, {...options(), method: 'POST', body: new URLSearchParams(fields)});
    if (response.ok) {
      const id = await response.text();
      heard('publish', response.status, '');
      roundTrip.answered(id, start, subscribers.filter(({isLive}) => isLive).map(({name}) => name));
    } else {
      const words = await explain(response);
      heard('publish', response.status, words);
      say('publish-message', words, 'bad');
    }
    sent.add(fields, response.ok);
  } catch (error) {
    say('publish-message', unreachable(error), 'bad');
  }
}

// ---- code and links ------------------------------------------------------------------------------

let coded = null;

function showCode(request) {
  const how = tokenText() ? presented() : 'none';
  coded = {...request, how, cookie: known.cookie, token: how === 'none' ? '' : tokenText()};
  byId('code-note').textContent = coded.token ? 'The first line holds your token.' : '';
  writeCode();
  byId('code').showModal();
}

function writeCode() {
  const language = document.querySelector('input[name=language]:checked').value;
  byId('code-text').textContent = LANGUAGES[language](coded);
}

function addLanguages() {
  Object.keys(LANGUAGES).forEach((name, i) => {
    const label = element('label');
    const input = Object.assign(element('input'), {type: 'radio', name: 'language', value: name, checked: i === 0});
    input.addEventListener('change', writeCode);
    label.append(input, element('span', '', name));
    byId('code-languages').append(label);
  });
}

function flash(button, words) {
  const before = button.dataset.words ??= button.textContent;
  button.textContent = words;
  clearTimeout(button.timer);
  button.timer = setTimeout(() => { button.textContent = before; }, 1500);
}

// The forms in the fragment of a URL, which never reaches a server. The token is not among them.
function link() {
  const parts = new URLSearchParams();
  matchers().forEach(([name, value]) => parts.append(name, value));
  if (byId('cursor').value) parts.append('last_event_id', byId('cursor').value);
  if (byId('beside').checked) parts.append('beside', '1');
  publication().forEach(([name, value]) => parts.append(name, value));
  return `${location.href.replace(/#.*/, '')}#${parts}`;
}

function readLink() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const isMatcher = (name) => name === 'match' || name === 'match_urlpattern';
  const wanted = [...parts].filter(([name]) => isMatcher(name)).slice(0, 100);
  byId('matchers').replaceChildren();
  wanted.forEach(([name, value]) => addMatcher(name === 'match' && value === '*' ? '*' : name, value === '*' ? '' : value));
  if (!wanted.length) addMatcher('*');
  if (![...parts].length) return;
  byId('cursor').value = parts.get('last_event_id') ?? '';
  byId('beside').checked = parts.has('beside');
  if (parts.has('topic')) fillPublication([...parts]);
}

// ---- discovery -----------------------------------------------------------------------------------

const resolve = (text, base) => (URL.canParse(text, base) ? new URL(text, base) : null);

async function discover(event) {
  event.preventDefault();
  const url = resolve(byId('resource').value, location.origin);
  if (!url) return list('discovery', [['bad', 'This is not a URL.']]);
  if (url.origin !== location.origin) return list('discovery', [['bad', 'This page can read only its own site. For another site, use curl -I.']]);
  let response;
  try {
    response = await fetch(url, {method: 'HEAD', cache: 'no-store'});
  } catch (error) {
    return list('discovery', [['bad', unreachable(error)]]);
  }
  const links = (response.headers.get('Link') || '').match(/<[^>]*>[^,<]*/g) || [];
  const lines = links.filter((link) => /;\s*rel="?(?:[^"]*\s)?mercure(?:\s[^"]*)?"?/i.test(link)).map((link) => {
    const target = resolve(/<([^>]*)>/.exec(link)[1], url)?.href;
    if (!target) return ['bad', `${link.trim()} does not hold a URL`];
    return [target === HUB ? 'good' : 'warn', `${link.trim()} names ${target === HUB ? 'this hub' : `another hub: ${target}`}`];
  });
  const self = links.find((link) => /rel="?self"?/i.test(link));
  if (self) lines.push(['plain', `The topic of this resource is ${resolve(/<([^>]*)>/.exec(self)[1], url)?.href ?? 'not a URL'}`]);
  if (!links.length) lines.push(['warn', `${response.status}: there is no Link header. The resource should send Link: <${HUB_PATH}>; rel="mercure"`]);
  list('discovery', lines);
}

async function readMetadata() {
  const place = `/.well-known/oauth-protected-resource${HUB_PATH}`;
  try {
    const response = await fetch(place);
    const found = await response.json().catch(() => null);
    if (response.ok && found) {
      known.resource = found.resource ?? null;
      known.cookie = found.mercure_cookie ?? known.cookie;
      byId('metadata').textContent = JSON.stringify(found, null, 2);
    } else {
      byId('metadata').textContent = response.ok ? `${place} is not JSON: another handler answers this path.` : `${place}: ${await explain(response)}`;
    }
  } catch (error) {
    byId('metadata').textContent = unreachable(error);
  }
  inspectToken();
}

// ---- the playground ------------------------------------------------------------------------------

async function readPlayground() {
  try {
    const response = await fetch('playground.json', {cache: 'no-store'});
    if (!response.ok) return;
    const {token, example} = await response.json();
    byId('playground').hidden = false;
    byId('resource').value = example;
    if (!tokenText()) byId('token').value = token;
    inspectToken();
  } catch {
    // this hub is not a playground
  }
}

// ---- the two views -------------------------------------------------------------------------------

function view(name) {
  for (const each of ['debug', 'live']) {
    byId(`${each}-view`).hidden = each !== name;
    byId(`view-${each}`).setAttribute('aria-pressed', each === name);
  }
  byId('tools').hidden = byId('skip').hidden = name === 'live';
  document.title = name === 'live' ? 'Mercure live view' : 'Mercure debugger';
}

// ---- wiring --------------------------------------------------------------------------------------

byId('hub').textContent = HUB;
addLanguages();
log.open([NAMES[presented()]]);
readLink();
document.activeElement?.blur();
byId('add-matcher').addEventListener('click', () => addMatcher().focus());
byId('subscribe-form').addEventListener('submit', subscribe);
byId('unsubscribe').addEventListener('click', () => subscribers.forEach(({stream}) => stream.stop()));
byId('publish-form').addEventListener('submit', publish);
byId('publish-form').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  byId('publish-form').requestSubmit();
});
byId('discovery-form').addEventListener('submit', discover);
byId('grant-form').addEventListener('submit', (event) => event.preventDefault());
byId('grant-topic').addEventListener('input', showGrant);
byId('token-chip').addEventListener('click', () => byId('token-panel').showModal());
byId('token').addEventListener('input', changeToken);
byId('ask').addEventListener('click', askHub);
byId('cookie-set').addEventListener('click', () => setCookie(tokenText()));
byId('cookie-clear').addEventListener('click', () => setCookie(''));
document.querySelectorAll('input[name=transport]').forEach((radio) => radio.addEventListener('change', () => {
  byId('cookie-row').hidden = transport() !== 'cookie';
  changeToken();
}));
byId('subscribe-code').addEventListener('click', () => {
  const url = subscribeUrl();
  if (byId('cursor').value) url.searchParams.set('last_event_id', byId('cursor').value);
  showCode({url: url.href, fields: null});
});
byId('publish-code').addEventListener('click', () => showCode({url: HUB, fields: publication()}));
byId('code-copy').addEventListener('click', async () => flash(byId('code-copy'), await copy(byId('code-text').textContent) ? 'Copied' : 'The browser does not allow it'));
byId('view-debug').addEventListener('click', () => view('debug'));
byId('view-live').addEventListener('click', () => view('live'));
byId('share').addEventListener('click', async () => {
  const url = link();
  history.replaceState(null, '', url);
  flash(byId('share'), await copy(url) ? 'Copied, without the token' : 'It is in the address bar');
});
window.addEventListener('hashchange', readLink);
// A click outside closes a dialog.
document.querySelectorAll('dialog').forEach((dialog) => dialog.addEventListener('click', (event) => {
  if (event.target === dialog) dialog.close();
}));
new Presence(HUB, () => options());
new Live(HUB);
readMetadata();
readPlayground();
showGrant();
