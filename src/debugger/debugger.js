// The page: reads its forms and sends the requests.
import {Stream, explain} from './stream.js';
import {parse, inspect, grants} from './token.js';
import {Log} from './log.js';
import {Presence} from './presence.js';

const byId = (id) => document.getElementById(id);
const HUB = document.querySelector('link[rel=mercure]').href;
const HUB_PATH = new URL(HUB).pathname;
const log = new Log();
const known = {resource: null, cookie: '__Secure-mercure_access_token'};
let stream = null;
let details = [];

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

const tokenText = () => byId('token').value.trim();
const transport = () => document.querySelector('input[name=transport]:checked').value;

// How a request presents the token.
function options(how = transport()) {
  const headers = {};
  if (how === 'header' && tokenText()) headers.Authorization = `Bearer ${tokenText()}`;
  return {headers, credentials: how === 'cookie' ? 'same-origin' : 'omit'};
}

function inspectToken() {
  details = [];
  byId('verdict').replaceChildren();
  if (!tokenText()) return list('inspection', []);
  const token = parse(tokenText());
  if (token.error) return list('inspection', [['bad', token.error]]);
  const found = inspect(token, known.resource);
  details = found.details;
  list('inspection', [...(found.refused ? [['bad', 'The hub would refuse this token:']] : []), ...found.lines]);
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
  try {
    const read = await fetch(`${HUB}?match=urn%3Amercure%3Adebugger`, {...options(), method: 'HEAD', cache: 'no-store'});
    lines.push(read.ok ? ['good', 'Subscribing: accepted.'] : ['bad', `Subscribing: ${await explain(read)}`]);
    const write = await fetch(HUB, {...options(), method: 'POST', body: new URLSearchParams()});
    lines.push(write.status === 400 ? ['good', 'Publishing: accepted, for the topics listed above.'] : ['bad', `Publishing: ${await explain(write)}`]);
    if (lines.some(([kind]) => kind === 'bad')) lines.push(['plain', "The server's error log has the reason if it is written at LogLevel mercure:info."]);
  } catch (error) {
    lines.push(['bad', `The hub does not answer: ${error.message}`]);
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

function subscribeUrl() {
  const url = new URL(HUB);
  for (const matcher of byId('matchers').children) {
    const type = matcher.querySelector('select').value;
    url.searchParams.append(type === '*' ? 'match' : type, type === '*' ? '*' : matcher.querySelector('input').value);
  }
  return url;
}

function showState(state, words) {
  byId('state').dataset.state = state;
  byId('state').textContent = words;
  const open = state === 'live' || state === 'wait';
  byId('unsubscribe').disabled = !open;
}

function subscribe(event) {
  event.preventDefault();
  stream?.stop();
  say('subscribe-message', '');
  stream = new Stream(subscribeUrl(), options(), byId('cursor').value || null, {
    state: showState,
    event: (update) => log.event(update),
    comment: () => log.comment(),
    bytes: (count) => log.bytes(count),
    note: (words) => log.note(words),
    refused: (words) => say('subscribe-message', words, 'bad'),
  });
}

// ---- publish -------------------------------------------------------------------------------------

function publication() {
  const form = new URLSearchParams();
  byId('topics').value.split('\n').map((line) => line.trim()).filter(Boolean).forEach((topic) => form.append('topic', topic));
  form.append('data', byId('data').value);
  if (byId('private').checked) form.append('private', 'on');
  for (const name of ['id', 'type', 'retry']) if (byId(name).value) form.append(name, byId(name).value);
  return form;
}

async function publish(event) {
  event.preventDefault();
  say('publish-message', '…');
  try {
    const response = await fetch(HUB, {...options(), method: 'POST', body: publication()});
    if (response.ok) say('publish-message', `Published as ${await response.text()}`, 'good');
    else say('publish-message', await explain(response), 'bad');
  } catch (error) {
    say('publish-message', `The hub does not answer: ${error.message}`, 'bad');
  }
}

// ---- curl ----------------------------------------------------------------------------------------

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curl(args) {
  const how = transport();
  const token = tokenText() && how === 'header' ? ["-H 'Authorization: Bearer '\"$TOKEN\""]
    : tokenText() && how === 'cookie' ? [`-b ${quote(`${known.cookie}=`)}"$TOKEN"`] : [];
  const set = token.length ? `TOKEN=${quote(tokenText())}\n` : '';
  byId('curl-text').textContent = `${set}curl ${[...token, ...args].join(' \\\n  ')}`;
  byId('curl').showModal();
}

// ---- discovery -----------------------------------------------------------------------------------

async function discover(event) {
  event.preventDefault();
  let response;
  let url;
  try {
    url = new URL(byId('resource').value, location.origin);
    if (url.origin !== location.origin) return list('discovery', [['bad', 'This page can read only its own site. For another site, use curl -I.']]);
    response = await fetch(url, {method: 'HEAD', cache: 'no-store'});
  } catch (error) {
    return list('discovery', [['bad', `The resource does not answer: ${error.message}`]]);
  }
  const links = (response.headers.get('Link') || '').match(/<[^>]*>[^,<]*/g) || [];
  const lines = links.filter((link) => /;\s*rel="?(?:[^"]*\s)?mercure(?:\s[^"]*)?"?/i.test(link)).map((link) => {
    const target = new URL(/<([^>]*)>/.exec(link)[1], url).href;
    return [target === HUB ? 'good' : 'warn', `${link.trim()} names ${target === HUB ? 'this hub' : `another hub: ${target}`}`];
  });
  const self = links.find((link) => /rel="?self"?/i.test(link));
  if (self) lines.push(['plain', `The topic of this resource is ${new URL(/<([^>]*)>/.exec(self)[1], url).href}`]);
  if (!links.length) lines.push(['warn', `${response.status}: there is no Link header. The resource should send Link: <${HUB_PATH}>; rel="mercure"`]);
  list('discovery', lines);
}

async function readMetadata() {
  const place = `/.well-known/oauth-protected-resource${HUB_PATH}`;
  try {
    const response = await fetch(place);
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    const document = await response.json();
    known.resource = document.resource ?? null;
    known.cookie = document.mercure_cookie ?? known.cookie;
    byId('metadata').textContent = JSON.stringify(document, null, 2);
  } catch (error) {
    byId('metadata').textContent = `${place}: ${error.message}`;
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

// ---- wiring --------------------------------------------------------------------------------------

byId('hub').textContent = HUB;
addMatcher('*');
byId('add-matcher').addEventListener('click', () => addMatcher().focus());
byId('subscribe-form').addEventListener('submit', subscribe);
byId('unsubscribe').addEventListener('click', () => stream?.stop());
byId('publish-form').addEventListener('submit', publish);
byId('discovery-form').addEventListener('submit', discover);
byId('grant-form').addEventListener('submit', (event) => event.preventDefault());
byId('grant-topic').addEventListener('input', showGrant);
byId('token').addEventListener('input', inspectToken);
byId('ask').addEventListener('click', askHub);
byId('cookie-set').addEventListener('click', () => setCookie(tokenText()));
byId('cookie-clear').addEventListener('click', () => setCookie(''));
document.querySelectorAll('input[name=transport]').forEach((radio) => radio.addEventListener('change', () => {
  byId('cookie-row').hidden = transport() !== 'cookie';
}));
byId('subscribe-curl').addEventListener('click', () => {
  const url = subscribeUrl();
  if (byId('cursor').value) url.searchParams.set('last_event_id', byId('cursor').value);
  curl(['-N', quote(url.href)]);
});
byId('publish-curl').addEventListener('click', () => curl([...[...publication()].map(([name, value]) => `--data-urlencode ${quote(`${name}=${value}`)}`), quote(HUB)]));
byId('curl-copy').addEventListener('click', async () => {
  await navigator.clipboard?.writeText(byId('curl-text').textContent);
  byId('curl-copy').textContent = 'Copied';
  setTimeout(() => { byId('curl-copy').textContent = 'Copy'; }, 1500);
});
new Presence(HUB, () => options());
readMetadata();
readPlayground();
showGrant();
