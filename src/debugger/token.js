// Describes a token: what it grants, and why this hub would refuse it. The signature cannot be checked here,
// because the page does not have the hub's keys.

const DETAIL = 'https://mercure.rocks/authorization-detail';

function decode(part) {
  if (!/^[A-Za-z0-9_-]+$/.test(part)) throw new Error('it has characters that are not base64url');
  const bytes = Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
  const value = JSON.parse(new TextDecoder('utf-8', {fatal: true}).decode(bytes));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('it is not a JSON object');
  return value;
}

export function parse(text) {
  const parts = text.trim().split('.');
  if (parts.length !== 3) return {error: `A token has three parts, separated by dots; this one has ${parts.length}.`};
  const token = {};
  for (const [i, name] of [[0, 'header'], [1, 'claims']]) {
    try {
      token[name] = decode(parts[i]);
    } catch (error) {
      return {error: `The ${i ? 'second' : 'first'} part (${name}) cannot be read: ${error.message}.`};
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

const isPlain = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

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

// Returns lines of [kind, words]. The kind is good, bad (the hub would refuse the token), warn or plain.
export function inspect(token, hub, now = Date.now() / 1000) {
  const {header, claims} = token;
  const problems = [];
  const lines = [];
  const legacy = isPlain(claims.mercure) && claims.authorization_details === undefined;

  if (String(header.alg).toLowerCase() === 'none') problems.push('It is not signed (alg none).');
  else if (typeof header.alg !== 'string') problems.push('The header has no alg.');
  if (!legacy && !/^(application\/)?at\+jwt$/i.test(header.typ ?? '')) problems.push(`Its type is ${header.typ === undefined ? 'missing' : `"${header.typ}"`}: the header's typ must be at+jwt.`);
  if ('crit' in header) problems.push('It has critical header fields (crit), which this hub does not support.');
  if (!legacy) {
    if (typeof claims.iss !== 'string') problems.push('It has no issuer (iss).');
    if (typeof claims.exp !== 'number') problems.push('It never expires: exp is missing.');
    const audiences = [claims.aud].flat().filter((aud) => aud !== undefined);
    if (!audiences.length) problems.push('It has no audience (aud).');
    else if (hub && !audiences.includes(hub)) problems.push(`Its audience (aud) is ${audiences.join(', ')}; this hub is ${hub}.`);
  }
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
    lines.push(topics.length ? ['good', `${words}: ${topics.map(describe).join(', ')}.`]
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
