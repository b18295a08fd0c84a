import { useWindowVirtualizer } from '@tanstack/react-virtual'
import { type RefObject, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import type { Event } from '../api/types'
import { Skeleton } from '../components'
import { useKeys } from '../state/keys'
import { useZone } from '../state/prefs'
import { useDensity } from './address'
import { EventRow } from './EventRow'
import { columns, type Row, rowsOf } from './rows'
import css from './search.module.css'

interface Props {
  events: Event[]
  fold: boolean
  cols: string[] | undefined
  open: string | null
  onOpen: (key: string | undefined, focus: boolean) => void
  onEnd: () => void
  /** More is on its way. */
  waiting: boolean
  manyClusters: boolean
  /** Somebody reads: something is selected, or the list was scrolled. */
  onReading?: (reading: boolean) => void
  list: RefObject<HTMLDivElement | null>
}

/** A list of any length, of which only what can be seen is there. It scrolls with the page. */
export function Results({ events, fold, cols, open, onOpen, onEnd, waiting, manyClusters, onReading, list }: Props) {
  const [zone] = useZone()
  const [density] = useDensity()
  const [unfolded, setUnfolded] = useState<Set<string>>(() => new Set())
  const [selected, setSelected] = useState<string>()
  const rows = useMemo(() => rowsOf(events, fold, unfolded, zone), [events, fold, unfolded, zone])
  const [margin, setMargin] = useState(0)
  useLayoutEffect(() => {
    const measure = () => {
      if (list.current) setMargin(Math.round(list.current.getBoundingClientRect().top + window.scrollY))
    }
    measure()
    const o = new ResizeObserver(measure)
    o.observe(document.body)
    return () => o.disconnect()
  }, [list])
  const virtual = useWindowVirtualizer({
    count: rows.length,
    estimateSize: (i) => (rows[i]?.kind === 'day' ? 30 : density === 'dense' ? 26 : 34),
    overscan: 12,
    scrollMargin: margin,
    getItemKey: (i) => rows[i]?.key ?? i,
  })
  const items = virtual.getVirtualItems()
  const last = items.at(-1)?.index ?? 0
  useEffect(() => {
    if (rows.length > 0 && last >= rows.length - 30) onEnd()
  }, [last, rows.length, onEnd])

  const eventRows = useMemo(() => rows.flatMap((r, i) => (r.kind === 'event' ? [{ row: r, i }] : [])), [rows])
  const current = selected !== undefined && eventRows.some((r) => r.row.key === selected) ? selected : undefined
  const now = useRef({ eventRows, current, open })
  now.current = { eventRows, current, open }

  useEffect(() => {
    onReading?.(current !== undefined)
  }, [current, onReading])

  const focus = useCallback((key: string) => {
    requestAnimationFrame(() => document.querySelector<HTMLElement>(`[data-row="${CSS.escape(key)}"]`)?.focus({ preventScroll: true }))
  }, [])

  const move = (by: number) => {
    const { eventRows, current, open } = now.current
    const here = current ?? open ?? undefined
    const at = here === undefined ? -1 : eventRows.findIndex((r) => r.row.key === here)
    const to = eventRows[Math.max(0, Math.min(eventRows.length - 1, at < 0 ? (by > 0 ? firstInSight() : 0) : at + by))]
    if (!to) return
    setSelected(to.row.key)
    virtual.scrollToIndex(to.i, { align: 'auto' })
    const held = document.activeElement
    const inDrawer = held instanceof HTMLElement && held.closest('[data-drawer]')
    if (!inDrawer) focus(to.row.key)
    if (open !== null) onOpen(to.row.key, false)
  }
  const firstInSight = () => {
    // Below the header and the search, which stay where they are.
    const top = window.scrollY + 120
    const i = items.find((it) => it.start >= top)?.index ?? 0
    return Math.max(0, eventRows.findIndex((r) => r.i >= i))
  }
  useKeys([
    { keys: 'j', about: 'Next event', group: 'Events', run: () => move(1) },
    { keys: 'k', about: 'Event before', group: 'Events', run: () => move(-1) },
    { keys: 'o', about: 'Open the event beside the list, or close it', group: 'Events', run: () => toggle(false) },
    { keys: 'e', about: 'Unfold the stages of the request', group: 'Events', run: () => current && unfold(current) },
  ])
  const toggle = (focusDrawer: boolean) => {
    const { current, open } = now.current
    const key = current ?? open ?? eventRows[firstInSight()]?.row.key
    if (key === undefined) return
    setSelected(key)
    onOpen(open === key && !focusDrawer ? undefined : key, focusDrawer)
  }
  const unfold = useCallback((key: string) => {
    setUnfolded((s) => {
      const next = new Set(s)
      next.has(key) ? next.delete(key) : next.add(key)
      return next
    })
  }, [])
  const openRow = useCallback(
    (key: string, _e: Event, focusDrawer: boolean) => {
      setSelected(key)
      onOpen(key, focusDrawer)
    },
    [onOpen],
  )
  const hrefOf = (key: string) => {
    const p = new URLSearchParams(window.location.search)
    p.set('open', key)
    return `/search?${p}`
  }
  const template = cols && `6.6rem ${cols.map((k) => columns.find((c) => c.key === k)?.width ?? '1fr').join(' ')}`
  // The first row can be reached by Tab before any was chosen.
  const reachable = current ?? (open && eventRows.some((r) => r.row.key === open) ? open : eventRows[0]?.row.key)
  return (
    <div
      ref={list}
      className={css.list}
      data-density={density}
      data-table={cols ? true : undefined}
      style={template ? { ['--columns' as string]: template } : undefined}
      onKeyDown={(e) => {
        const t = e.target instanceof HTMLElement ? e.target.closest<HTMLElement>('[data-row]') : null
        if (!t) return
        if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
          e.preventDefault()
          if (now.current.current === undefined) setSelected(t.dataset.row)
          move(e.key === 'ArrowDown' ? 1 : -1)
        } else if (e.key === 'Enter') {
          e.preventDefault()
          setSelected(t.dataset.row)
          onOpen(t.dataset.row, true)
        }
      }}
    >
      {cols && (
        <div className={css.tableHead} aria-hidden="true">
          <span />
          <div className={css.cells}>
            <span>Time</span>
            {cols.map((k) => (
              <span key={k}>{columns.find((c) => c.key === k)?.head}</span>
            ))}
          </div>
        </div>
      )}
      <div className={css.rail} role="list" aria-label="Events" style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const row = rows[item.index] as Row
          return (
            <div
              key={item.key}
              ref={virtual.measureElement}
              data-index={item.index}
              role="listitem"
              aria-setsize={waiting ? -1 : rows.length}
              aria-posinset={item.index + 1}
              className={css.slot}
              data-day={row.kind === 'day' || undefined}
              style={{ transform: `translateY(${item.start - margin}px)` }}
            >
              {row.kind === 'day' ? (
                <div className={css.day}>{row.label}</div>
              ) : (
                <EventRow
                  event={row.event}
                  stages={row.stages.length}
                  stageNames={row.stages.length > 1 ? row.stages.map((s) => s.stage).join(', ') : ''}
                  unfolded={unfolded.has(row.key)}
                  inner={row.of !== undefined}
                  selected={row.key === reachable}
                  opened={row.key === open}
                  cols={cols}
                  href={hrefOf(row.key)}
                  rowKey={row.key}
                  manyClusters={manyClusters}
                  onOpen={openRow}
                  onUnfold={unfold}
                />
              )}
            </div>
          )
        })}
      </div>
      {waiting && <Waiting rows={events.length === 0 ? 14 : 3} />}
    </div>
  )
}

export function Waiting({ rows }: { rows: number }) {
  return (
    <div role="status" aria-label="Loading events" className={css.skeletons}>
      {Array.from({ length: rows }, (_, i) => (
        <div key={i}>
          <Skeleton width="5.2rem" />
          <Skeleton width={`${40 + ((i * 37) % 35)}%`} />
          <Skeleton width="3.5rem" />
        </div>
      ))}
    </div>
  )
}
