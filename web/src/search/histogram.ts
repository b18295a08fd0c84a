import type { HitSeries, Hits } from '../api/types'
import { inert } from '../event/inert'
import { count } from '../state/time'

// What a histogram's series are called and coloured. Good is quiet, trouble is loud.

const classes: Record<string, [string, string]> = {
  '1xx': ['--s3', '1xx session opened'],
  '2xx': ['--s1', '2xx done'],
  '3xx': ['--s5', '3xx redirected'],
  '4xx': ['--s2', '4xx failed'],
  '5xx': ['--bad', '5xx server failed'],
}
const palette = ['--s1', '--s2', '--s3', '--s4', '--s5']

export interface Shown {
  name: string
  colour: string
  series: HitSeries
}

export function shownSeries(hits: Hits): Shown[] {
  return hits.series.map((series, i) => {
    if (series.others) return { series, name: 'others', colour: '--s6' }
    if (hits.by === 'code-class') {
      const [colour, name] = classes[series.value] ?? ['--s6', series.value || 'no code']
      return { series, colour, name }
    }
    return { series, name: inert(series.value) || (hits.by ? 'none' : 'events'), colour: palette[i] ?? '--s6' }
  })
}

export const buckets = (hits: Hits) => hits.series[0]?.counts.length ?? 0

export const startOf = (hits: Hits, i: number) => new Date(Date.parse(hits.from) + i * hits.step * 1000)

export function sumOf(shown: Shown[], i: number): number {
  return shown.reduce((n, s) => n + (s.series.counts[i] ?? 0), 0)
}

export function inWords(shown: Shown[], i: number): string {
  const parts = shown.filter((s) => (s.series.counts[i] ?? 0) > 0).map((s) => `${count(s.series.counts[i]!)} ${s.name}`)
  return parts.length ? `${count(sumOf(shown, i))} events: ${parts.join(', ')}` : 'no events'
}
