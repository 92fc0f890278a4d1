// Describes a token: what it grants, and why this hub would refuse it. The signature cannot be checked here,
// because the page does not have the hub's keys.

const isPlain = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

const DETAIL = 'https://mercure.rocks/authorization-detail';

// Algorithms that a hub may accept.
const ALGORITHMS = /^((HS|RS|PS|ES)(256|384|512)|EdDSA|Ed25519|Ed448)$/;

function decodeBytes(part) {
  if (part === '') throw new Error('it is empty');
  if (!/^[A-Za-z0-9_-]+$/.test(part)) throw new Error('it contains characters that are not base64url');
  if (part.length % 4 === 1) throw new Error('it is cut off: base64url text never has this length');
  return Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
}

function decodeText(bytes) {
  try {
    return new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(bytes);
  } catch {
    throw new Error('it is not UTF-8 text');
  }
}

function decode(part) {
  const text = decodeText(decodeBytes(part));
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error('it is not JSON');
  }
  if (!isPlain(value)) throw new Error('it is not a JSON object');
  return value;
}

// What people copy around a token: the name of a header field, the scheme, a cookie's or a parameter's name,
// quotation marks, and line breaks. Returns the token and words for what was left out ('' for nothing).
export function clean(text) {
  const left = [];
  let token = text.replace(/[\s\u200b\u2060\ufeff]+/g, ' ').trim();
  const cut = (pattern, name) => {
    const shorter = token.replace(pattern, '');
    if (shorter !== token) left.push(name);
    token = shorter;
  };
  cut(/^['"`]+|['"`;,]+$/g, 'quotation marks');
  cut(/^(proxy-)?authorization\s*:\s*/i, '"Authorization:"');
  cut(/^(set-)?cookie\s*:\s*/i, '"Cookie:"');
  cut(/^[\w.-]+\s*=\s*(?=['"`]?eyJ)/, 'the name before "="');
  cut(/^bearer\s+/i, '"Bearer"');
  cut(/^['"`]+|['"`;,]+$/g, 'quotation marks');
  if (/^[A-Za-z0-9_.\s-]+$/.test(token)) cut(/\s+/g, 'spaces and line breaks');
  return {token, left: [...new Set(left)].join(', ')};
}

export function parse(text) {
  const parts = text.split('.');
  if (parts.length !== 3) return {error: `A token has three parts, separated by dots; this one has ${parts.length}${parts.length === 5 ? ', like an encrypted token' : ''}.`};
  const token = {};
  for (const [i, name, read] of [[0, 'header', decode], [1, 'claims', decode], [2, 'signature', decodeBytes]]) {
    try {
      token[name] = read(parts[i]);
    } catch (error) {
      return {error: `The ${['first', 'second', 'third'][i]} part (${name}) cannot be read: ${error.message}.`};
    }
  }
  return token;
}

function duration(seconds) {
  const s = Math.abs(Math.round(seconds));
  if (s < 120) return `${s} seconds`;
  if (s < 7200) return `${Math.round(s / 60)} minutes`;
  if (s < 172800) return `${Math.round(s / 3600)} hours`;
  return `${Math.round(s / 86400)} days`;
}

// The Mercure details of the token. One invalid detail makes the whole token invalid.
function readDetails(claims, problems) {
  const all = claims.authorization_details;
  if (all === undefined) return [];
  if (!Array.isArray(all)) {
    problems.push('authorization_details must be an array.');
    return [];
  }
  const mine = [];
  all.forEach((detail, i) => {
    const where = `authorization_details[${i}]`;
    if (!isPlain(detail) || typeof detail.type !== 'string') problems.push(`${where} must be an object with a type.`);
    else if (detail.type === DETAIL) mine.push([where, detail]);
  });
  for (const [where, detail] of mine) {
    for (const name of ['actions', 'topics']) {
      if (!Array.isArray(detail[name]) || !detail[name].length) problems.push(`${where}.${name} must be a non-empty array.`);
    }
    for (const action of Array.isArray(detail.actions) ? detail.actions : []) {
      if (typeof action !== 'string') problems.push(`${where}.actions must contain only strings.`);
    }
    for (const topic of Array.isArray(detail.topics) ? detail.topics : []) {
      if (!isPlain(topic) || typeof topic.match !== 'string') problems.push(`${where}.topics: every entry must be an object with a string member match.`);
      else if (topic.match !== '*' && !['exact', 'urlpattern'].includes(topic.match_type ?? 'exact')) problems.push(`${where}.topics: this hub has no matcher type "${topic.match_type}".`);
    }
    if ('payload' in detail && !isPlain(detail.payload)) problems.push(`${where}.payload must be an object.`);
  }
  return mine.map(([, detail]) => detail);
}

function grantsOf(details, action) {
  return details.filter((detail) => Array.isArray(detail.actions) && detail.actions.includes(action))
    .flatMap((detail) => (Array.isArray(detail.topics) ? detail.topics : []))
    .filter((topic) => typeof topic?.match === 'string');
}

const describe = (topic) => (topic.match === '*' ? 'every topic'
  : (topic.match_type ?? 'exact') === 'exact' ? topic.match : `${topic.match} (${topic.match_type})`);

// Returns lines of [kind, words, action]. The kind is good, bad (the hub would refuse the token), warn or plain.
// The action, publish or subscribe, is present if the line is about what the token grants.
export function inspect(token, hub, now = Date.now() / 1000) {
  const {header, claims} = token;
  const problems = [];
  const lines = [];
  const legacy = isPlain(claims.mercure) && claims.authorization_details === undefined;

  if (String(header.alg).toLowerCase() === 'none') problems.push('It is not signed (alg none).');
  else if (typeof header.alg !== 'string') problems.push('The header has no alg.');
  else if (!ALGORITHMS.test(header.alg)) problems.push(`No hub accepts the algorithm ${header.alg} (alg).`);
  for (const name of ['typ', 'kid']) if (name in header && typeof header[name] !== 'string') problems.push(`The header's ${name} must be a string.`);
  if (!legacy && typeof (header.typ ?? '') === 'string' && !/^(application\/)?at\+jwt$/i.test(header.typ ?? '')) problems.push(`Its type is ${header.typ === undefined ? 'missing' : `"${header.typ}"`}: the header's typ must be at+jwt.`);
  for (const name of ['crit', 'b64']) if (name in header) problems.push(`Its header has the member ${name}, which this hub does not support.`);
  if (!legacy) {
    if (typeof claims.iss !== 'string') problems.push('It has no issuer (iss).');
    if (!('exp' in claims)) problems.push('It never expires: exp is missing.');
    const audiences = [claims.aud].flat().filter((aud) => aud !== undefined);
    if (!audiences.length) problems.push('It has no audience (aud).');
    else if (!audiences.every((aud) => typeof aud === 'string')) problems.push('Its audience (aud) must be a string or an array of strings.');
    else if (hub && !audiences.includes(hub)) problems.push(`Its audience (aud) is ${audiences.join(', ')}; this hub is ${hub}.`);
  }
  for (const name of ['exp', 'nbf']) if (name in claims && typeof claims[name] !== 'number') problems.push(`${name} must be a number of seconds.`);
  if ('sub' in claims && typeof claims.sub !== 'string') problems.push('sub must be a string.');
  if (typeof claims.exp === 'number' && claims.exp <= now) problems.push(`It expired ${duration(now - claims.exp)} ago (exp).`);
  if (typeof claims.nbf === 'number' && claims.nbf > now) problems.push(`It becomes valid in ${duration(claims.nbf - now)} (nbf).`);
  const details = readDetails(claims, problems);

  for (const problem of problems) lines.push(['bad', problem]);
  if (legacy) {
    lines.push(['warn', 'It is a token of protocol 0.x (it has the claim mercure): only a hub with MercureLegacy accepts it.']);
    for (const action of ['publish', 'subscribe']) {
      const topics = claims.mercure[action];
      if (Array.isArray(topics) && topics.length) lines.push(['plain', `${action === 'publish' ? 'It may publish to' : 'It may read private updates of'}: ${topics.join(', ')}`]);
    }
    return {lines, details, refused: problems.length > 0};
  }
  for (const [action, words] of [['publish', 'It may publish to'], ['subscribe', 'It may read private updates of']]) {
    const topics = grantsOf(details, action);
    lines.push(topics.length ? ['good', `${words}: ${topics.map(describe).join(', ')}.`, action]
      : ['plain', action === 'publish' ? 'It may not publish.' : 'It may read public updates, but no private ones.']);
  }
  if (typeof claims.exp === 'number' && claims.exp > now) lines.push(['plain', `It expires in ${duration(claims.exp - now)}; its streams end then.`]);
  lines.push(['plain', `Issuer ${claims.iss ?? 'missing'}, algorithm ${header.alg ?? 'missing'}${header.kid === undefined ? '' : `, key ${header.kid}`}. Only the hub can check the signature, and whether it trusts the issuer.`]);
  const missing = ['sub', 'client_id', 'iat', 'jti'].filter((name) => !(name in claims));
  if (missing.length) lines.push(['warn', `Issuers should also set ${missing.join(', ')}.`]);
  return {lines, details, refused: problems.length > 0};
}

// Whether the details grant ACTION on TOPIC: true, false, or null if this browser cannot evaluate a URL Pattern.
export function grants(details, action, topic, base) {
  let unknown = false;
  for (const {match, match_type: type = 'exact'} of grantsOf(details, action)) {
    if (match === '*') return true;
    if (type === 'exact') {
      if (match === topic) return true;
    } else if (!('URLPattern' in globalThis)) {
      unknown = true;
    } else {
      try {
        if (new URLPattern(match, base).test(topic, base)) return true;
      } catch {
        // an invalid pattern or URL does not match
      }
    }
  }
  return unknown ? null : false;
}

// The token in a few words: {kind, words}, where the kind is that of a line of inspect(), or none.
export function summary(token, hub, now = Date.now() / 1000) {
  if (!token) return {kind: 'none', words: 'No token'};
  if (token.error) return {kind: 'bad', words: 'Token cannot be read'};
  const {details, refused} = inspect(token, hub, now);
  if (refused) return {kind: 'bad', words: 'Token would be refused'};
  if (isPlain(token.claims.mercure) && !details.length) return {kind: 'warn', words: 'Token of 0.x'};
  const may = ['publish', 'subscribe'].filter((action) => grantsOf(details, action).length);
  return {kind: 'good', words: `Token: ${may.join(', ') || 'public updates only'} · ${duration(token.claims.exp - now)} left`};
}
