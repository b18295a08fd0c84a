import type { ReactNode } from 'react'
import type { Nearest } from '../api/types'
import { inert } from '../event/inert'
import { useRange } from '../state/range'
import { count, span } from '../state/time'
import { Button } from './Button'
import { Time } from './Time'
import css from './ui.module.css'

interface Props {
  title: string
  /** The search that ran. */
  search?: string
  /** How many events the range holds, whatever the search. */
  held?: number
  nearest?: Nearest
  /** False: the answer does not cover its range, so this is no "nothing". */
  complete?: boolean
  /** False: no other range would find more. */
  ranged?: boolean
  children?: ReactNode
}

/** Nothing was found: what was looked for, in how much, and where the nearest is. */
export function Empty({ title, search, held, nearest, complete = true, ranged = true, children }: Props) {
  const range = useRange()
  const known = [nearest?.before, nearest?.after].filter((t): t is string => !!t && !t.startsWith('0001-'))
  const jump = (t: string) => {
    const at = Date.parse(t)
    const half = 15 * 60_000
    range.setAbsolute(new Date(at - half).toISOString(), new Date(at + half).toISOString())
  }
  const far = (t: string) => {
    const at = Date.parse(t)
    const edge = range.since && at < Date.parse(range.since) ? Date.parse(range.since) : Date.parse(range.until ?? new Date(range.now).toISOString())
    return `${span((at - edge) / 1000)} ${at < edge ? 'earlier' : 'later'}`
  }
  return (
    <section className={css.empty} data-testid="empty">
      <h2>{complete ? title : 'Nothing found, but not everything was looked at'}</h2>
      {search !== undefined && (
        <p>
          Searched for {search ? <code>{inert(search)}</code> : 'every event'} in {range.last && range.last !== 'all' ? `the ${range.label.toLowerCase()}` : range.last ? 'everything' : range.label}
          {held !== undefined && (
            <>
              {' '}
              · the range holds <b>{count(held)}</b> {held === 1 ? 'event' : 'events'}
            </>
          )}
          .
        </p>
      )}
      {known.map((t) => (
        <p key={t}>
          {known.length > 1 ? (t === nearest?.before ? 'The last match before it is' : 'The next match after it is') : 'The nearest match is'} {far(t)}, at <Time at={t} />.{' '}
          <Button small onClick={() => jump(t)}>
            Go there
          </Button>
        </p>
      ))}
      {ranged && range.last !== 'all' && (
        <div className={css.actions}>
          <Button small icon="clock" onClick={() => range.setLast('all')}>
            Look in everything
          </Button>
        </div>
      )}
      {children}
    </section>
  )
}
