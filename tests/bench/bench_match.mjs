// Prints the measurements of bench_match for the hub's matchers and for Node's URLPattern side by side:
//
//     tests/node/node_modules/.bin/node tests/bench/bench_match.mjs tests/bench/bench_match
//
// Node's URLPattern takes strings, so it parses its input each time; "with parsing" is the same for the hub:
// the match, and the parsing of the topic.
import { spawnSync } from 'node:child_process'

const base = 'https://hub.example.com/.well-known/mercure'
const rounds = 15
const roundNs = 20e6

function median(operation) {
  const round = (count) => {
    const start = process.hrtime.bigint()
    for (let i = 0; i < count; i++) operation()
    return Number(process.hrtime.bigint() - start)
  }
  let count = 1
  const first = round(1)
  if (first > 1e9) return first // an operation that takes a second is measured once
  while (round(count) < roundNs) count *= 2
  return Array.from({ length: rounds }, () => round(count) / count).sort((a, b) => a - b)[rounds >> 1]
}

function ofNode(name, value, topic) {
  if (!value) return median(() => URL.parse(topic, base))
  if (name.startsWith('exact')) return median(() => value === topic)
  const pattern = new URLPattern(value, base)
  return median(() => pattern.test(topic, base))
}

const lines = spawnSync(process.argv[2], { maxBuffer: 1 << 20 }).stdout.toString().trim().split('\n').map((line) => line.split('\t'))
const parsing = Number(lines.find(([name]) => name === 'parse a topic')[1])
console.log(`${'ns per operation, median'.padEnd(28)}${'ours'.padStart(9)}${'with parsing'.padStart(14)}${`Node ${process.version}`.padStart(16)}`)
for (const [name, ours, value, topic] of lines) {
  const whole = value && !name.startsWith('exact') ? (Number(ours) + parsing).toFixed(0) : ''
  console.log(`${name.padEnd(28)}${Number(ours).toFixed(1).padStart(9)}${whole.padStart(14)}${ofNode(name, value, topic).toFixed(1).padStart(16)}`)
}
