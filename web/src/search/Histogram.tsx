import { lazy, Suspense, useEffect, useMemo, useState } from 'react'
import { useAsk } from '../api/hooks'
import type { Hits } from '../api/types'
import { Boundary, type Column, CoverageLine, DataTable, ErrorBox, Icon, IconButton, Skeleton, Time } from '../components'
import { inert } from '../event/inert'
import { useKeys } from '../state/keys'
import { isBoolean, usePref, useZone } from '../state/prefs'
import { addTerm } from '../state/query'
import { iso, type RangeState } from '../state/range'
import { clock, count, duration, minute } from '../state/time'
import { useBy } from './address'
import { buckets, inWords, type Shown, shownSeries, startOf, sumOf } from './histogram'
import css from './search.module.css'
import type { Asked } from './useResults'

const Chart = lazy(() => import('./Chart'))
const height = 132

const bys = [
  ['code-class', 'status'],
  ['verb', 'verb'],
  ['user', 'actor'],
  ['resource', 'resource'],
  ['none', 'nothing'],
] as const

interface Props {
  asked: Asked
  range: RangeState
  enabled: boolean
  onQuery: (q: string) => void
  onHits?: (h: Hits | undefined) => void
}

/** How many events, when: counted exactly over the whole range by a question of its own, not from the rows that are loaded. */
export function Histogram({ asked, range, enabled, onQuery, onHits }: Props) {
  const [open, setOpen] = usePref('histogram', true, isBoolean)
  const [table, setTable] = useState(false)
  const [by, setBy] = useBy()
  const [at, setAt] = useState(-1)
  const [zone] = useZone()
  const ask = useAsk<never, Hits>('hits', { ...asked, by: by === 'none' ? undefined : by, buckets: 96 }, { enabled, keep: true })
  const hits = ask.data?.end
  const fresh = ask.isPlaceholderData ? undefined : hits
  useEffect(() => onHits?.(fresh), [fresh, onHits])
  useEffect(() => setAt(-1), [hits])
  useKeys([{ keys: 'c', about: 'Histogram as chart or table', group: 'Search', run: () => (open ? setTable(!table) : setOpen(true)) }])
  const shown = useMemo(() => (hits ? shownSeries(hits).filter((s) => s.series.total > 0) : []), [hits])
  const zoom = (from: number, to: number) => hits && range.setAbsolute(iso(startOf(hits, from).getTime()), iso(startOf(hits, to + 1).getTime()))
  const n = hits ? buckets(hits) : 0
  const text = (i: number) => {
    if (!hits) return ''
    const from = startOf(hits, i)
    const to = startOf(hits, i + 1)
    return `${minute(from, zone)}${hits.step < 60 ? clock(from, zone, false).slice(5) : ''} to ${clock(to, zone, false).slice(0, hits.step < 60 ? 8 : 5)} ${zone === 'utc' ? 'UTC' : 'local'}: ${inWords(shown, i)}`
  }
  const press = (e: React.KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, PageDown: 10, PageUp: -10 }[e.key]
    if (step) setAt((i) => Math.max(0, Math.min(n - 1, i < 0 ? (step > 0 ? 0 : n - 1) : i + step)))
    else if (e.key === 'Home') setAt(0)
    else if (e.key === 'End') setAt(n - 1)
    else if (e.key === 'Enter' && at >= 0) zoom(at, at)
    else if (e.key === 'Escape' && at >= 0) setAt(-1)
    else return
    e.preventDefault()
    e.stopPropagation()
  }
  return (
    <section className={css.histogram} aria-label="Histogram" data-testid="histogram">
      <header>
        <button type="button" className={css.fold} aria-expanded={open} onClick={() => setOpen(!open)}>
          <Icon name={open ? 'chevron' : 'right'} size={12} />
          <h2>Over time</h2>
        </button>
        {hits && open && (
          <ul className={css.legend}>
            {shown.map((s) => (
              <li key={s.name}>
                <Legend s={s} by={hits.by} onPick={(v) => onQuery(addTerm(asked.query, hits.by!, v))} />
              </li>
            ))}
          </ul>
        )}
        <span className={css.right}>
          {hits && <span className="soft">{`bars of ${duration(hits.step)}`}</span>}
          <label className={css.by}>
            <span className="soft">by</span>
            <select value={by} onChange={(e) => setBy(e.target.value as typeof by)} aria-label="Split the histogram by">
              {bys.map(([value, label]) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </select>
          </label>
          <IconButton small icon={table ? 'chart' : 'table'} label={table ? 'Show as chart' : 'Show as table'} hint={`${table ? 'Chart' : 'Table'} (c)`} onClick={() => setTable(!table)} disabled={!open} />
        </span>
      </header>
      {open && (
        <div className={css.chart} aria-busy={ask.isFetching}>
          {ask.error && ask.error.kind !== 'usage' && <ErrorBox error={ask.error} what="The histogram" retry={() => ask.refetch()} />}
          {!hits && !ask.error && <Skeleton height={`calc(${height}px + 1.2rem)`} />}
          {hits && table && <Twin hits={hits} shown={shown} onZoom={(i) => zoom(i, i)} />}
          {hits && !table && (
            <div
              className={css.bars}
              role="slider"
              tabIndex={0}
              aria-label="Bars of the histogram. Arrow keys move, Enter zooms in, c shows the numbers as a table"
              aria-valuemin={0}
              aria-valuemax={Math.max(0, n - 1)}
              aria-valuenow={Math.max(0, at)}
              aria-valuetext={at < 0 ? `${count(hits.total)} events in ${n} bars` : text(at)}
              aria-orientation="horizontal"
              onKeyDown={press}
              data-stale={ask.isPlaceholderData || undefined}
            >
              <Boundary what="The chart">
                <Suspense fallback={<Skeleton height={`${height}px`} />}>
                  <Chart hits={hits} height={height} span={ask.isPlaceholderData || !range.since ? undefined : [Date.parse(range.since), range.until ? Date.parse(range.until) : range.now]} at={at} onAt={setAt} onRange={zoom} />
                </Suspense>
              </Boundary>
              <p className={css.atbar}>{at >= 0 ? text(at) : hits.total > 0 ? 'Drag to zoom, click a bar to narrow to it.' : 'No events in this range.'}</p>
            </div>
          )}
        </div>
      )}
    </section>
  )
}

function Legend({ s, by, onPick }: { s: Shown; by: string | undefined; onPick: (value: string) => void }) {
  const inside = (
    <>
      <i style={{ background: `var(${s.colour})` }} />
      {s.name} <b>{count(s.series.total)}</b>
    </>
  )
  if (s.series.others || !by) return <span>{inside}</span>
  const value = by === 'code-class' ? undefined : s.series.value
  if (value === undefined) return <span>{inside}</span>
  return (
    <button type="button" onClick={() => onPick(value)} title={`Search for ${by}:${inert(value) || '""'}`}>
      {inside}
    </button>
  )
}

/** The same numbers as a table. */
function Twin({ hits, shown, onZoom }: { hits: Hits; shown: Shown[]; onZoom: (i: number) => void }) {
  const rows = Array.from({ length: buckets(hits) }, (_, i) => i).filter((i) => sumOf(shown, i) > 0)
  const columns: Column<number>[] = [
    { key: 'from', head: 'From', header: true, cell: (i) => <Time at={startOf(hits, i)} />, by: (i) => i },
    { key: 'all', head: 'Events', align: 'right', cell: (i) => count(sumOf(shown, i)), by: (i) => sumOf(shown, i) },
    ...shown.map((s) => ({ key: s.name, head: s.name, align: 'right' as const, cell: (i: number) => count(s.series.counts[i] ?? 0), by: (i: number) => s.series.counts[i] ?? 0 })),
    {
      key: 'zoom',
      head: <span className="visually-hidden">Zoom</span>,
      cell: (i) => <IconButton small icon="search" label={`Zoom to ${startOf(hits, i).toISOString()}`} onClick={() => onZoom(i)} />,
    },
  ]
  return (
    <>
      <div className={css.twin}>
        <DataTable caption={`Events over time, ${count(hits.total)} in all; bars without events are left out`} columns={columns} rows={rows} id={(i) => String(i)} />
      </div>
      <CoverageLine of={hits.coverage} unit="events counted" />
    </>
  )
}
