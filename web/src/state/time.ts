import type { Zone } from './prefs'

// Times are UTC in the API; here they become text. Formatters are kept: making one costs more than using it a thousand times.

const formatters = new Map<string, Intl.DateTimeFormat>()

function parts(d: Date, zone: Zone): Record<string, string> {
  let f = formatters.get(zone)
  if (!f) {
    f = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone === 'utc' ? 'UTC' : undefined,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      fractionalSecondDigits: 3,
      hourCycle: 'h23',
      timeZoneName: zone === 'utc' ? undefined : 'shortOffset',
    })
    formatters.set(zone, f)
  }
  const p: Record<string, string> = {}
  for (const { type, value } of f.formatToParts(d)) p[type] = value
  return p
}

/** 2026-11-21 */
export function day(d: Date, zone: Zone): string {
  const p = parts(d, zone)
  return `${p.year}-${p.month}-${p.day}`
}

/** Sat 2026-11-21 */
export function dayWithName(d: Date, zone: Zone): string {
  return `${parts(d, zone).weekday} ${day(d, zone)}`
}

/** 08:27:19.123 */
export function clock(d: Date, zone: Zone, millis = true): string {
  const p = parts(d, zone)
  return `${p.hour}:${p.minute}:${p.second}${millis ? `.${p.fractionalSecond}` : ''}`
}

/** UTC, or the offset of the local zone at that time. */
export function zoneName(d: Date, zone: Zone): string {
  return zone === 'utc' ? 'UTC' : (parts(d, zone).timeZoneName ?? 'local')
}

/** 2026-11-21 08:27:19.123 UTC */
export function full(d: Date, zone: Zone, millis = true): string {
  return `${day(d, zone)} ${clock(d, zone, millis)} ${zoneName(d, zone)}`
}

/** 2026-11-21 08:27 */
export function minute(d: Date, zone: Zone): string {
  return `${day(d, zone)} ${clock(d, zone, false).slice(0, 5)}`
}

const units: [number, string, string][] = [
  [365 * 86400, 'year', 'years'],
  [30 * 86400, 'month', 'months'],
  [86400, 'day', 'days'],
  [3600, 'hour', 'hours'],
  [60, 'minute', 'minutes'],
  [1, 'second', 'seconds'],
]

/** 3 hours, 2 minutes; never less than a second */
export function span(seconds: number): string {
  const s = Math.abs(seconds)
  for (const [size, one, many] of units) {
    if (s >= size) {
      const n = Math.floor(s / size)
      return `${n} ${n === 1 ? one : many}`
    }
  }
  return 'less than a second'
}

/** 3 hours ago, in 2 minutes */
export function relative(d: Date, now: Date = new Date()): string {
  const s = (now.getTime() - d.getTime()) / 1000
  // The server’s clock and the browser’s are seldom the same to the second.
  if (s < 1 && s > -60) return 'now'
  return s > 0 ? `${span(s)} ago` : `in ${span(s)}`
}

/** 240 µs, 12 ms, 1.5 s, 2 min 5 s */
export function duration(seconds: number): string {
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`
  const two = (n: number, unit: string, rest: number, of: string) => (rest ? `${n} ${unit} ${rest} ${of}` : `${n} ${unit}`)
  if (seconds < 3600) return two(Math.floor(seconds / 60), 'min', Math.floor(seconds % 60), 's')
  if (seconds < 86400) return two(Math.floor(seconds / 3600), 'h', Math.floor((seconds % 3600) / 60), 'min')
  return two(Math.floor(seconds / 86400), 'd', Math.floor((seconds % 86400) / 3600), 'h')
}

const counts = new Intl.NumberFormat('en-GB')
/** 1,204 */
export const count = (n: number) => counts.format(n)

const shorts = new Intl.NumberFormat('en-GB', { notation: 'compact', maximumFractionDigits: 1 })
/** 4.1M */
export const short = (n: number) => shorts.format(n)
