import { Link } from 'wouter'
import type { Event } from '../api/types.gen'
import { CodeBadge, Mark, Sentence, Time } from '../components'
import { eventPath, useTo } from '../event/paths'
import { duration } from '../state/time'
import s from './ask.module.css'

/** Events as sentences, each leading to all of it. */
export function EventList({ events, slow }: { events: Event[]; slow?: boolean }) {
  const to = useTo()
  return (
    <ol className={s.events} data-testid="events">
      {events.map((e) => (
        <li key={`${e.cluster}/${e.position}`}>
          <Time at={e.time} />
          <Link href={to.here(eventPath(e.cluster, e.position))}>
            <Sentence event={e} />
          </Link>
          <span className={s.end}>
            {slow && e.latency !== undefined && <b>{duration(e.latency)}</b>}
            {e.marks?.map((m) => (
              <Mark key={m} mark={m} />
            ))}
            <CodeBadge code={e.code} />
          </span>
        </li>
      ))}
    </ol>
  )
}
