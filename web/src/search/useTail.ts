import { useCallback, useEffect, useRef, useState } from 'react'
import { ask, isAbort } from '../api/client'
import type { Event } from '../api/types'
import type { Asked } from './useResults'

// Events as they arrive. While somebody reads, nothing moves: what comes waits, and is counted. Both what is shown and what waits
// are bounded; what fell out is counted, too.

export const shownAtMost = 2000

export interface Tail {
  /** The newest first. */
  events: Event[]
  waiting: number
  /** Events that waited longer than there is room for. */
  dropped: number
  /** Events a second over the last ten. */
  rate: number
  error?: Error
  live: boolean
}

const none: Tail = { events: [], waiting: 0, dropped: 0, rate: 0, live: false }

export function useTail(asked: Asked, enabled: boolean, frozen: boolean) {
  const [state, setState] = useState<Tail>(none)
  const held = useRef<Event[]>([])
  const dropped = useRef(0)
  const arrivals = useRef<[number, number][]>([])
  const still = useRef(frozen)
  still.current = frozen
  const [round, setRound] = useState(0)

  const release = useCallback(() => {
    const waiting = held.current
    held.current = []
    dropped.current = 0
    setState((s) => ({ ...s, events: [...waiting.reverse(), ...s.events].slice(0, shownAtMost), waiting: 0, dropped: 0 }))
  }, [])

  const names = asked.clusters?.join('\n')
  useEffect(() => {
    if (!enabled) return
    const own = new AbortController()
    held.current = []
    dropped.current = 0
    arrivals.current = []
    setState({ ...none, live: true })
    let began = true
    const take = (items: Event[]) => {
      const now = performance.now()
      if (!began) arrivals.current.push([now, items.length])
      held.current.push(...items)
      if (held.current.length > shownAtMost) {
        dropped.current += held.current.length - shownAtMost
        held.current = held.current.slice(-shownAtMost)
      }
    }
    // Shown four times a second, however fast they come.
    const show = () => {
      const now = performance.now()
      arrivals.current = arrivals.current.filter(([at]) => now - at < 10_000)
      const rate = arrivals.current.reduce((n, [, k]) => n + k, 0) / 10
      const waiting = held.current.length
      if (waiting > 0 && (!still.current || began)) {
        began = false
        const some = held.current
        held.current = []
        setState((s) => ({ ...s, events: [...some.reverse(), ...s.events].slice(0, shownAtMost), waiting: 0, rate }))
        return
      }
      setState((s) => (s.waiting === waiting && s.rate === rate && s.dropped === dropped.current ? s : { ...s, waiting, rate, dropped: dropped.current }))
    }
    const timer = setInterval(show, 250)
    ask<Event, unknown>('tail', { query: asked.query, clusters: names ? names.split('\n') : undefined, limit: 100 }, { signal: own.signal, onItems: take })
      .then(() => setState((s) => ({ ...s, live: false })))
      .catch((e) => {
        if (!isAbort(e) && !own.signal.aborted) setState((s) => ({ ...s, live: false, error: e }))
      })
    return () => {
      own.abort()
      clearInterval(timer)
    }
  }, [enabled, asked.query, names, round])

  return { ...state, release, again: () => setRound((r) => r + 1) }
}
