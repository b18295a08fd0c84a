import { useElementSize } from '@mantine/hooks'
import { useMemo } from 'react'
import { Link } from 'wouter'
import type { Session } from '../api/types.gen'
import { inert } from '../event/inert'
import { eventPath, useTo } from '../event/paths'
import { ticksOf } from '../objects/RevisionBars'
import { useZone } from '../state/prefs'
import type { RangeState } from '../state/range'
import { day, duration, full, minute } from '../state/time'
import { commandOf, State } from './State'
import s from './sessions.module.css'

/** Sessions as bars on a time axis, a lane for each target. The table says the same in words. */
export function Lanes({ sessions, range }: { sessions: Session[]; range: RangeState }) {
  const { ref, width } = useElementSize()
  const [zone] = useZone()
  const to = useTo()
  const { lanes, from, until } = useMemo(() => layout(sessions, range.now, width), [sessions, range.now, width])
  const place = (t: number) => ((t - from) / Math.max(1, until - from)) * 100
  const ticks = ticksOf(from, until, Math.max(2, Math.min(8, Math.floor(width / 130))))
  return (
    <div className={s.lanes} data-testid="lanes">
      <div className={s.axis} aria-hidden="true">
        <span />
        <div ref={ref}>
          {ticks.map((t) => (
            <span key={t.at} style={{ left: `${place(t.at)}%` }}>
              {t.whole ? day(new Date(t.at), zone) : minute(new Date(t.at), zone).slice(-5)}
            </span>
          ))}
        </div>
      </div>
      <ul aria-label="Targets">
        {lanes.map((lane) => (
          <li key={lane.name} className={s.lane}>
            <span className={s.breaks}>
              {inert(lane.target)}
              {lane.namespace && <span className="soft"> in {inert(lane.namespace)}</span>}
            </span>
            <ul className={s.track} aria-label={`Sessions in ${inert(lane.target)}`} style={{ height: `${lane.rows * 1.5 + 0.3}rem` }}>
              {lane.sessions.map(({ session, begin, end, row }) => {
                const text = `${inert(session.sentence)}, ${full(new Date(begin), zone, false)}, ${session.seconds !== undefined ? duration(session.seconds) : session.state}`
                return (
                  <li key={`${session.auditID}/${session.positions[0]}`} style={{ left: `${place(begin)}%`, width: `${Math.max(0, place(end) - place(begin))}%`, top: `${row * 1.5 + 0.15}rem` }}>
                    <Link href={to.here(eventPath(session.cluster, session.positions.at(-1) ?? 0))} className={s.bar} data-state={session.state} title={`${text}\n${inert(commandOf(session))}`} aria-label={text}>
                      <State session={session} />
                      <span>{inert(session.user)}</span>
                      <code>{inert(commandOf(session).slice(0, 60))}</code>
                    </Link>
                  </li>
                )
              })}
            </ul>
          </li>
        ))}
      </ul>
    </div>
  )
}

interface Placed {
  session: Session
  begin: number
  end: number
  row: number
}

interface Lane {
  name: string
  target: string
  namespace?: string
  sessions: Placed[]
  rows: number
}

function layout(sessions: Session[], now: number, width: number): { lanes: Lane[]; from: number; until: number } {
  const lanes = new Map<string, Lane>()
  let from = Number.POSITIVE_INFINITY
  let until = 0
  const open: Placed[] = []
  for (const session of [...sessions].sort((a, b) => a.start.localeCompare(b.start))) {
    const begin = Date.parse(session.start)
    const end = session.seconds !== undefined ? begin + session.seconds * 1000 : begin
    const name = `${session.cluster}\n${session.namespace}\n${session.target}`
    const lane = lanes.get(name) ?? { name, target: session.target, namespace: session.namespace, sessions: [], rows: 0 }
    lanes.set(name, lane)
    const placed = { session, begin, end, row: 0 }
    if (session.state === 'open') open.push(placed)
    lane.sessions.push(placed)
    from = Math.min(from, begin)
    until = Math.max(until, end)
  }
  const room = Math.max(60_000, (until - from) * 0.04)
  const last = Math.min(now, until + room)
  for (const p of open) p.end = Math.max(p.begin, last)
  from -= room / 2
  until += room
  // Bars are at least as wide as their words, so those that would touch stand below each other.
  const least = (until - from) * Math.min(0.6, 250 / Math.max(1, width))
  for (const lane of lanes.values()) {
    const ends: number[] = []
    for (const p of lane.sessions) {
      const free = ends.findIndex((e) => e <= p.begin)
      p.row = free < 0 ? ends.length : free
      ends[p.row] = Math.max(p.end, p.begin + least)
    }
    lane.rows = ends.length
  }
  return { lanes: [...lanes.values()].reverse(), from, until }
}
