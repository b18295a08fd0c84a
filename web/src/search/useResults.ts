import { useCallback, useEffect, useRef, useState } from 'react'
import { AskError, ask, isAbort } from '../api/client'
import type { Coverage, Event } from '../api/types'

// The events of a search, a page at a time, shown as they stream in. Another search, or leaving, cancels the work in the server.

export interface Asked {
  query: string
  since?: string
  until?: string
  clusters?: string[]
}

export type Phase = 'waiting' | 'streaming' | 'idle' | 'cancelled' | 'failed'

export interface Results {
  events: Event[]
  phase: Phase
  error?: Error
  cover?: Coverage
  /** There is more behind the last event. */
  more: boolean
  /** Milliseconds from the question to the end of the first page. */
  took?: number
  /** Kept, but no more: so many rows were loaded that the browser would suffer. */
  full: boolean
  /** What was asked. */
  asked: Asked
}

/** What two pages of one answer cover: the first knows the range. */
function joined(a: Coverage, b: Coverage): Coverage {
  const why = [...new Set([...(a.why ?? []), ...(b.why ?? [])])]
  return { ...a, complete: a.complete && b.complete, why: why.length ? why : undefined, limitReached: b.limitReached, returned: a.returned + b.returned, seconds: a.seconds + b.seconds }
}

const first = 150
const next = 500
export const most = 50_000

export function useResults(asked: Asked, round: number, enabled: boolean) {
  const [state, setState] = useState<Results>({ events: [], phase: 'waiting', more: false, full: false, asked })
  const control = useRef<AbortController>(undefined)
  const latest = useRef(state)
  latest.current = state

  const page = useCallback(async (asked: Asked, events: Event[], limit: number) => {
    control.current?.abort()
    const own = new AbortController()
    control.current = own
    const began = performance.now()
    const last = events.at(-1)
    let all = events
    try {
      const { end } = await ask<Event, Coverage>(
        'events',
        { ...asked, limit, detail: 'summary', after: last && `${last.time},${last.cluster},${last.position}` },
        {
          signal: own.signal,
          onItems: (items) => {
            all = all.concat(items)
            setState((s) => ({ ...s, events: all, phase: 'streaming' }))
          },
        },
      )
      const took = events.length === 0 ? performance.now() - began : undefined
      setState((s) => ({ ...s, events: all, phase: 'idle', error: undefined, cover: s.cover ? joined(s.cover, end) : end, more: end.limitReached, took: took ?? s.took, full: all.length >= most }))
    } catch (e) {
      if (isAbort(e) || own.signal.aborted) return
      setState((s) => ({ ...s, phase: 'failed', error: e instanceof Error ? e : new AskError('failed', String(e)), more: false }))
    }
  }, [])

  const { query, since, until, clusters } = asked
  const names = clusters?.join('\n')
  useEffect(() => {
    if (!enabled) return
    const asked = { query, since, until, clusters: names ? names.split('\n') : undefined }
    setState({ events: [], phase: 'waiting', more: false, full: false, asked })
    page(asked, [], first)
    return () => control.current?.abort()
  }, [query, since, until, names, round, enabled, page])

  const loadMore = useCallback(() => {
    const s = latest.current
    if (s.phase === 'idle' && s.more && !s.full) {
      setState((s) => ({ ...s, phase: 'streaming' }))
      page(s.asked, s.events, next)
    }
  }, [page])

  const cancel = useCallback(() => {
    const s = latest.current
    if (s.phase !== 'waiting' && s.phase !== 'streaming') return false
    control.current?.abort()
    setState((s) => ({ ...s, phase: 'cancelled', more: false }))
    return true
  }, [])

  return { ...state, loadMore, cancel }
}
