import { Link } from 'wouter'
import { useAsk } from '../api/hooks'
import type { Event, Finding, FindingsCover } from '../api/types.gen'
import { ErrorBox, Icon } from '../components'
import { findingPath } from '../findings/address'
import { FindingsIncomplete } from '../findings/Cover'
import { Severity } from '../findings/severity'
import s from './EventView.module.css'
import { inert } from './inert'
import { useTo } from './paths'

const most = 20

/** The findings that name an event; nothing where there are none. Of the event of a finding, that finding. */
export function EventFindings({ event }: { event: Event }) {
  const to = useTo()
  const own = event.cluster === 'annals' && event.apiGroup === 'annals.dev' && event.resource === 'findings'
  const answer = useAsk<Finding, FindingsCover>('findings', { query: `requestObject.positions:${event.position}`, clusters: [event.cluster], withdrawn: true, limit: most }, { enabled: !own })
  const found = answer.data?.items ?? []
  if (own && event.name) {
    return (
      <p className={s.found}>
        <Icon name="alert" size={16} /> This is the record of a finding. <Link href={to.here(findingPath(event.name))}>Show the finding</Link>
      </p>
    )
  }
  if (answer.error) return <ErrorBox error={answer.error} what="Looking for findings that name it" retry={() => answer.refetch()} />
  if (found.length === 0) return <FindingsIncomplete of={answer.data?.end} />
  return (
    <section className={s.found} aria-label="Findings that name this event" data-testid="event-findings">
      <Icon name="alert" size={16} />
      <ul>
        {found.map((f) => (
          <li key={f.id}>
            <Severity of={f.severity} /> <Link href={to.here(findingPath(f.id))}>{inert(f.title)}</Link>
            {f.withdrawn && <span className="soft"> withdrawn</span>}
          </li>
        ))}
      </ul>
      {answer.data?.end.limitReached && <p className="soft">The newest {most} are shown.</p>}
    </section>
  )
}
