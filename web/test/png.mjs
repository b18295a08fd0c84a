// Pictures of screens have few colours that matter: a PNG of at most 256 of them is half as large.

import { crc32, deflateSync, inflateSync } from 'node:zlib'

/** An 8-bit RGB or RGBA picture, as Chromium writes it, with a palette of its most frequent colours; others become the nearest. */
export function reduced(png) {
  const width = png.readUInt32BE(16)
  const height = png.readUInt32BE(20)
  const size = png[25] === 6 ? 4 : 3
  const parts = []
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)))
  }
  const raw = inflateSync(Buffer.concat(parts))
  const line = width * size
  const colours = new Uint32Array(width * height)
  let before = new Uint8Array(line)
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (line + 1)]
    const now = new Uint8Array(raw.subarray(y * (line + 1) + 1, (y + 1) * (line + 1)))
    for (let x = 0; x < line; x++) {
      const [left, up, corner] = [x < size ? 0 : now[x - size], before[x], x < size ? 0 : before[x - size]]
      now[x] += [0, left, up, (left + up) >> 1, filter === 4 ? paeth(left, up, corner) : 0][filter]
    }
    for (let x = 0; x < width; x++) colours[y * width + x] = (now[x * size] << 16) | (now[x * size + 1] << 8) | now[x * size + 2]
    before = now
  }
  const often = new Map()
  for (const c of colours) often.set(c, (often.get(c) ?? 0) + 1)
  const palette = [...often].sort((a, b) => b[1] - a[1]).slice(0, 256).map(([c]) => c)
  const index = new Map(palette.map((c, i) => [c, i]))
  for (const c of often.keys()) if (!index.has(c)) index.set(c, nearest(palette, c))
  const rows = Buffer.alloc((width + 1) * height)
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = index.get(colours[y * width + x])
  const head = Buffer.from(png.subarray(16, 29))
  head[9] = 3
  return Buffer.concat([png.subarray(0, 8), chunk('IHDR', head), chunk('PLTE', Buffer.from(palette.flatMap(rgb))), chunk('IDAT', deflateSync(rows, { level: 9 })), chunk('IEND', Buffer.alloc(0))])
}

const rgb = (c) => [c >> 16, (c >> 8) & 255, c & 255]

function nearest(palette, colour) {
  const [r, g, b] = rgb(colour)
  let best = 0
  let least = Number.POSITIVE_INFINITY
  palette.forEach((c, i) => {
    const [x, y, z] = rgb(c)
    const far = (r - x) ** 2 + (g - y) ** 2 + (b - z) ** 2
    if (far < least) [best, least] = [i, far]
  })
  return best
}

function paeth(left, up, corner) {
  const p = left + up - corner
  const [a, b, c] = [Math.abs(p - left), Math.abs(p - up), Math.abs(p - corner)]
  return a <= b && a <= c ? left : b <= c ? up : corner
}

function chunk(name, data) {
  const out = Buffer.alloc(12 + data.length)
  out.writeUInt32BE(data.length, 0)
  out.write(name, 4, 'latin1')
  data.copy(out, 8)
  out.writeUInt32BE(crc32(out.subarray(4, 8 + data.length)), 8 + data.length)
  return out
}
