import { Link } from 'wouter'
import type { Session } from '../api/types.gen'
import { Time } from '../components'
import { cut, inert } from '../event/inert'
import { eventPath, useTo } from '../event/paths'
import { duration } from '../state/time'
import { afterSession, commandOf, State } from './State'
import s from './sessions.module.css'

/** Sessions one below the other, where a table has no room. */
export function SessionList({ sessions }: { sessions: Session[] }) {
  const to = useTo()
  return (
    <ol className={s.list} aria-label="Sessions, the newest first">
      {sessions.map((x) => {
        const text = commandOf(x)
        return (
          <li key={`${x.cluster}/${x.auditID}/${x.positions[0]}`}>
            <span className={s.line}>
              <Time at={x.start} />
              <State session={x} />
            </span>
            <Link href={to.here(eventPath(x.cluster, x.positions.at(-1) ?? 0))}>{inert(cut(x.sentence, 600))}</Link>
            {text && <code className={s.command}>{inert(cut(text, 400))}</code>}
            <span className={s.line}>
              <span className="soft">
                {x.kind}
                {x.seconds !== undefined && `, ${duration(x.seconds)}`}
                {x.from && `, from ${inert(x.from)}`}
              </span>
              {x.user && <Link href={afterSession(x, to)}>What they did</Link>}
            </span>
          </li>
        )
      })}
    </ol>
  )
}
