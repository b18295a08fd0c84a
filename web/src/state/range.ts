import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { createContext, createElement, type ReactNode, use, useCallback, useEffect, useMemo, useState } from 'react'
import { useSearchParams } from 'wouter'
import { ask } from '../api/client'
import type { Event, Range } from '../api/types'
import { minute } from './time'
import { useZone } from './prefs'

// The range of time and the clusters that all screens are about stand in the address: ?last=24h, or ?since=…&until=… (until is
// excluded), and cluster=… as often as need be. Without any, the last day; or, where the record ends before it, the last day of the
// record, so that what was imported or recorded long ago shows at once. Links for others always have since and until.

export const presets = [
  { key: '15m', label: 'Last 15 minutes', seconds: 900 },
  { key: '1h', label: 'Last hour', seconds: 3600 },
  { key: '6h', label: 'Last 6 hours', seconds: 6 * 3600 },
  { key: '24h', label: 'Last 24 hours', seconds: 86400 },
  { key: '3d', label: 'Last 3 days', seconds: 3 * 86400 },
  { key: '7d', label: 'Last 7 days', seconds: 7 * 86400 },
  { key: '30d', label: 'Last 30 days', seconds: 30 * 86400 },
  { key: 'all', label: 'Everything', seconds: 0 },
] as const

const preset0 = '24h'
const day = 86_400_000

export interface TimeRange {
  /** The preset's key, or "" for an absolute range. */
  last: string
  /** RFC 3339, included; absent: from the first event. */
  since?: string
  /** RFC 3339, excluded; absent: to the newest. */
  until?: string
  label: string
  /** When the record ends, if that is why the range is not the last day until now. */
  ended?: string
}

interface Moment {
  now: number
  refresh: () => void
  /** The time of the newest event, where nobody chose a range. */
  newest?: string
  /** Whether newest is known, or is not worth waiting for. */
  ready: boolean
}

const Now = createContext<Moment>({ now: Date.now(), refresh: () => {}, ready: true })

/** How long screens wait to learn where the record ends. */
const patience = 400

/** Relative ranges count from one moment for all parts of a screen, until it is asked anew. */
export function NowProvider({ children }: { children: ReactNode }) {
  const [params] = useSearchParams()
  const [now, setNow] = useState(() => Date.now())
  const chosen = ['last', 'since', 'until'].some((key) => params.has(key))
  const clusters = params.getAll('cluster')
  const { data, isFetched } = useQuery({
    queryKey: ['newest', clusters, now],
    // An event that was cut short may not tell its time, and stands where it arrived: that says nothing of the record's end.
    queryFn: async ({ signal }) => {
      const question = { query: 'requestReceivedTimestamp:*', limit: 1, clusters: clusters.length ? clusters : undefined }
      return (await ask<Event>('events', question, { signal })).items[0]?.time ?? null
    },
    enabled: !chosen,
    placeholderData: keepPreviousData,
  })
  const [ready, setReady] = useState(chosen)
  useEffect(() => {
    if (ready) return
    const timer = setTimeout(() => setReady(true), chosen || isFetched ? 0 : patience)
    return () => clearTimeout(timer)
  }, [ready, chosen, isFetched])
  const newest = data ?? undefined
  const value = useMemo(() => ({ now, refresh: () => setNow(Date.now()), newest, ready: ready || isFetched }), [now, newest, ready, isFetched])
  return createElement(Now, { value }, children)
}

export const useNow = () => use(Now)

export function resolve(params: URLSearchParams, now: number, zone: 'utc' | 'local', newest?: string): TimeRange {
  const absolute = (since?: string, until?: string): TimeRange => {
    const label = `${since ? minute(new Date(since), zone) : 'the first'} → ${until ? minute(new Date(until), zone) : 'the newest'}`
    return { last: '', since, until, label }
  }
  const since = valid(params.get('since'))
  const until = valid(params.get('until'))
  if (since || until) return absolute(since, until)
  const end = newest && !params.has('last') ? Date.parse(newest) : now
  if (end < now - day) {
    const whole = Math.floor(end / 60_000 + 1) * 60_000
    return { ...absolute(iso(whole - day), iso(whole)), ended: newest }
  }
  const key = params.get('last') ?? preset0
  const preset = presets.find((p) => p.key === key) ?? presets.find((p) => p.key === preset0)!
  if (preset.seconds === 0) return { last: preset.key, label: preset.label }
  return { last: preset.key, since: iso(now - preset.seconds * 1000), label: preset.label }
}

function valid(text: string | null): string | undefined {
  if (!text) return undefined
  const t = Date.parse(text)
  return Number.isNaN(t) ? undefined : iso(t)
}

export const iso = (ms: number) => new Date(ms).toISOString()

export interface RangeState extends TimeRange {
  clusters: string[]
  now: number
  /** The members of a question that say which events it is about. */
  of: Pick<Range, 'since' | 'until' | 'clusters'>
  setLast: (key: string) => void
  setAbsolute: (since?: string, until?: string) => void
  /** Move the range by its own length: -1 earlier, 1 later. */
  shift: (by: number) => void
  /** Ask anew: relative ranges end now. */
  refresh: () => void
  setClusters: (names: string[]) => void
}

export function useRange(): RangeState {
  const [params, setParams] = useSearchParams()
  const { now, refresh, newest } = useNow()
  const [zone] = useZone()
  const text = params.toString()
  const range = useMemo(() => resolve(new URLSearchParams(text), now, zone, newest), [text, now, zone, newest])
  const clusterText = params.getAll('cluster').join('\n')
  const clusters = useMemo(() => (clusterText ? clusterText.split('\n') : []), [clusterText])
  const setAbsolute = useCallback(
    (since?: string, until?: string) =>
      setParams((p) => {
        p.delete('last')
        since ? p.set('since', since) : p.delete('since')
        until ? p.set('until', until) : p.delete('until')
        if (!since && !until) p.set('last', 'all')
        return p
      }),
    [setParams],
  )
  const setLast = useCallback(
    (key: string) => {
      refresh()
      setParams((p) => {
        p.delete('since')
        p.delete('until')
        p.set('last', key)
        return p
      })
    },
    [setParams, refresh],
  )
  const shift = useCallback(
    (by: number) => {
      if (!range.since) return
      const from = Date.parse(range.since)
      const to = range.until ? Date.parse(range.until) : now
      setAbsolute(iso(from + by * (to - from)), iso(to + by * (to - from)))
    },
    [range, now, setAbsolute],
  )
  const setClusters = useCallback(
    (names: string[]) =>
      setParams((p) => {
        p.delete('cluster')
        for (const n of names) p.append('cluster', n)
        return p
      }),
    [setParams],
  )
  const of = useMemo(
    () => ({ since: range.since, until: range.until, clusters: clusters.length ? clusters : undefined }),
    [range, clusters],
  )
  return { ...range, clusters, now, of, setLast, setAbsolute, shift, refresh, setClusters }
}

/** What a link keeps from one screen to the next: the range and the clusters. */
export function carried(params: URLSearchParams): string {
  const keep = new URLSearchParams()
  for (const key of ['last', 'since', 'until', 'cluster']) for (const v of params.getAll(key)) keep.append(key, v)
  const text = keep.toString()
  return text && `?${text}`
}

/** The address for others: absolute times, whatever they choose later. */
export function shareURL(range: TimeRange, now: number, location: Location = window.location): string {
  const url = new URL(location.href)
  url.searchParams.delete('last')
  if (range.since) url.searchParams.set('since', range.since)
  url.searchParams.set('until', range.until ?? iso(now))
  return url.toString()
}
