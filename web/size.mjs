// What the UI weighs, compressed: what must come before anything is shown, and all of it. Fails beyond the limits.
import { readdirSync, readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const limits = { first: 320, all: 650 } // kB, of 1000 bytes
const dist = new URL('dist/', import.meta.url)
const index = readFileSync(new URL('index.html', dist), 'utf8')
const weights = readdirSync(new URL('assets/', dist))
  .filter((name) => /\.(js|css)$/.test(name))
  .map((name) => ({ name, kB: gzipSync(readFileSync(new URL(`assets/${name}`, dist)), { level: 9 }).length / 1000 }))
  .sort((a, b) => b.kB - a.kB)
// index.html names what the browser must have: scripts, what they import, and styles.
const sum = (list) => list.reduce((n, w) => n + w.kB, 0)
const first = weights.filter((w) => index.includes(w.name))
for (const w of weights) console.log(`${w.kB.toFixed(1).padStart(8)} kB  ${first.includes(w) ? '*' : ' '} ${w.name}`)
const got = { first: sum(first), all: sum(weights) }
console.log(`first load ${got.first.toFixed(1)} kB of ${limits.first}, everything ${got.all.toFixed(1)} kB of ${limits.all}; * is the first load, compressed with gzip`)
if (got.first > limits.first || got.all > limits.all) {
  console.error('too heavy: load what is not needed at once when it is first opened, or take something out')
  process.exit(1)
}
