// The page: reads its forms and sends the requests.
import {Stream, explain, unreachable} from './stream.js';
import {clean, parse, inspect, grants} from './token.js';
import {Log} from './log.js';
import {Presence} from './presence.js';

const byId = (id) => document.getElementById(id);
const HUB = document.querySelector('link[rel=mercure]').href;
const HUB_PATH = new URL(HUB).pathname;
const log = new Log();
const known = {resource: null, cookie: '__Secure-mercure_access_token'};
let stream = null;
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

// How a request presents the token.
function options(how = transport()) {
  const headers = {};
  if (isSent(how)) headers.Authorization = `Bearer ${tokenText()}`;
  return {headers, credentials: how === 'cookie' ? 'same-origin' : 'omit'};
}

// Forgets what the hub said: the token, or the way in which it is sent, is another one.
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

function inspectToken() {
  details = [];
  const {token: text, left} = clean(byId('token').value);
  const lines = left ? [['plain', `The page sends the token without ${left}.`]] : [];
  for (const [role, name] of [['publish', 'Publishing'], ['subscribe', 'Subscribing']]) {
    if (refusals[role]) lines.push(['bad', `${name}: the hub refuses this token: ${refusals[role]}`]);
  }
  if (!text) return list('inspection', []);
  const token = parse(text);
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
    state: (state, words) => {
      if (state === 'live') heard('subscribe', 200, '');
      showState(state, words);
    },
    event: (update) => log.event(update),
    comment: () => log.comment(),
    bytes: (count) => log.bytes(count),
    note: (words) => log.note(words),
    refused: (words, status) => {
      heard('subscribe', status, words);
      say('subscribe-message', words, 'bad');
    },
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
    const words = response.ok ? `Published as ${await response.text()}` : await explain(response);
    heard('publish', response.status, words);
    say('publish-message', words, response.ok ? 'good' : 'bad');
  } catch (error) {
    say('publish-message', unreachable(error), 'bad');
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
byId('token').addEventListener('input', changeToken);
byId('ask').addEventListener('click', askHub);
byId('cookie-set').addEventListener('click', () => setCookie(tokenText()));
byId('cookie-clear').addEventListener('click', () => setCookie(''));
document.querySelectorAll('input[name=transport]').forEach((radio) => radio.addEventListener('change', () => {
  byId('cookie-row').hidden = transport() !== 'cookie';
  changeToken();
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
