// Pictures of screens have few colours that matter: a PNG of at most 256 of them is half as large.

import { crc32, deflateSync, inflateSync } from 'node:zlib'

/** An 8-bit RGB or RGBA picture, as Chromium writes it, with a palette of 256 colours. */
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
  const palette = chosen([...often].map(([c, n]) => ({ c, n, far: Number.POSITIVE_INFINITY, best: 0 })))
  const index = new Map(palette.of)
  const rows = Buffer.alloc((width + 1) * height)
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = index.get(colours[y * width + x])
  const head = Buffer.from(png.subarray(16, 29))
  head[9] = 3
  return Buffer.concat([png.subarray(0, 8), chunk('IHDR', head), chunk('PLTE', Buffer.from(palette.colours.flatMap(rgb))), chunk('IDAT', deflateSync(rows, { level: 9 })), chunk('IEND', Buffer.alloc(0))])
}

const rgb = (c) => [c >> 16, (c >> 8) & 255, c & 255]

/** One colour after the other, that which is worst off so far: how often it is there times how far from the nearest chosen. */
function chosen(all) {
  const colours = []
  for (let next = all.reduce((a, b) => (b.n > a.n ? b : a)); colours.length < 256 && next.far > 0; ) {
    const [r, g, b] = rgb(next.c)
    for (const one of all) {
      const [x, y, z] = rgb(one.c)
      const far = (r - x) ** 2 + (g - y) ** 2 + (b - z) ** 2
      if (far < one.far) [one.far, one.best] = [far, colours.length]
    }
    colours.push(next.c)
    next = all.reduce((a, b) => (b.n * b.far > a.n * a.far ? b : a))
  }
  return { colours, of: all.map((one) => [one.c, one.best]) }
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
