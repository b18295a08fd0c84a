import type { Event } from '../api/types.gen'
import { Time } from '../components'
import { duration } from '../state/time'
import s from './EventView.module.css'

const about: Record<string, string> = {
  RequestReceived: 'received, before anything was done',
  ResponseStarted: 'the answer began, its body still to come',
  ResponseComplete: 'the answer was complete',
  Panic: 'the API server panicked',
}

/** Seconds between two stages: latencies are known to the microsecond, times on this page to the millisecond. */
function between(a: Event, b: Event): number {
  const from = a.stage === 'RequestReceived' ? 0 : a.latency
  if (from !== undefined && b.latency !== undefined) return Math.max(0, b.latency - from)
  return Math.max(0, Date.parse(b.time) - Date.parse(a.time)) / 1000
}

/** The stages of one request and what lay between them. */
export function Stages({ stages, position, open }: { stages: Event[]; position: number; open: (cluster: string, position: number) => void }) {
  const first = stages[0]
  if (!first) return null
  const begun = first.latency ? Date.parse(first.time) - first.latency * 1000 : undefined
  let before: Event | undefined
  return (
    <ol className={s.stages} data-testid="stages">
      {begun !== undefined && (
        <li data-silent>
          <span className={s.dot} aria-hidden="true" />
          <span className={s.stage}>
            <b>The request came</b>
            <Time at={new Date(begun)} as="clock" />
            <span className="soft">no event of its own</span>
          </span>
        </li>
      )}
      {stages.map((e) => {
        const gap = before ? between(before, e) : begun === undefined ? undefined : e.latency
        before = e
        const here = e.position === position
        return (
          <li key={e.position} aria-current={here || undefined}>
            {gap !== undefined && (
              <span className={s.gap}>
                <span className="visually-hidden">after </span>
                {duration(gap)}
              </span>
            )}
            <span className={s.dot} aria-hidden="true" />
            <span className={s.stage}>
              {here ? (
                <b>{e.stage ?? 'No stage'}</b>
              ) : (
                <button type="button" className={s.textual} onClick={() => open(e.cluster, e.position)}>
                  {e.stage ?? 'No stage'}
                </button>
              )}
              <Time at={e.time} as="clock" />
              <span className="soft">{here ? 'this event' : (about[e.stage ?? ''] ?? '')}</span>
            </span>
          </li>
        )
      })}
    </ol>
  )
}
