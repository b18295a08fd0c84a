import { SegmentedControl } from '@mantine/core'
import { useState } from 'react'
import { Link } from 'wouter'
import { useAsk } from '../api/hooks'
import type { Event, Neighbours } from '../api/types.gen'
import { CodeBadge, CoverageLine, ErrorBox, Incomplete, KeyHint, Sentence, Skeleton, Time } from '../components'
import { useKeys } from '../state/keys'
import { oneOf, usePref } from '../state/prefs'
import s from './EventView.module.css'
import { eventPath, useTo } from './paths'

type By = 'actor' | 'object' | 'time'

const isBy = oneOf<By>('actor', 'object', 'time')
const words: Record<By, string> = { actor: 'Same actor', object: 'Same object', time: 'Same time' }

interface Props {
  event: Event
  page?: boolean
  open: (cluster: string, position: number) => void
}

/** What the same actor did, what happened to the same object, and what happened at all, before and after. */
export function NeighboursPart({ event, page, open }: Props) {
  // Kept from one event to the next, so that the way back is the way that was come.
  const [wanted, setBy] = usePref('around', 'actor', isBy)
  const by = (wanted === 'actor' && !event.user) || (wanted === 'object' && !event.resource) ? 'time' : wanted
  const [limit, setLimit] = useState(5)
  const answer = useAsk<never, Neighbours>('neighbours', { cluster: event.cluster, position: event.position, by, limit }, { keep: true })
  const found = answer.data?.end
  const to = useTo()
  const previous = found?.before.at(-1)
  const next = found?.after[0]
  // Beside a list, j and k are the list's.
  const [down, up] = page ? ['j', 'k'] : ['J', 'K']
  useKeys([
    { keys: down, about: 'The next event of this actor, object or time', group: 'Event', run: () => next && open(next.cluster, next.position) },
    { keys: up, about: 'The one before', group: 'Event', run: () => previous && open(previous.cluster, previous.position) },
  ])
  return (
    <div data-testid="neighbours">
      <div className={s.bar}>
        <SegmentedControl
          size="xs"
          aria-label="Events around this one"
          value={by}
          onChange={(v) => setBy(v as By)}
          data={(Object.keys(words) as By[]).map((value) => ({
            value,
            label: words[value],
            disabled: (value === 'actor' && !event.user) || (value === 'object' && !event.resource),
          }))}
        />
        <span className={`soft ${s.keys}`}>
          <KeyHint keys={down} /> next <KeyHint keys={up} /> before
        </span>
      </div>
      <ErrorBox error={answer.error} what="Looking around the event" retry={() => answer.refetch()} />
      {answer.isPending && <Skeleton height="12rem" />}
      {found && (
        <>
          <Incomplete of={found.coverage} />
          <ol className={s.neighbours} aria-busy={answer.isFetching} aria-label={words[by]}>
            {found.before.length === 0 && <li className="soft">Nothing before it</li>}
            {found.before.map((e) => (
              <Neighbour key={`${e.cluster}/${e.position}`} event={e} to={to.here} open={open} />
            ))}
            <li aria-current="true">
              <Time at={event.time} as="clock" />
              <span>
                <b>This event</b> · {event.stage}
              </span>
              <CodeBadge code={event.code} />
            </li>
            {found.after.map((e) => (
              <Neighbour key={`${e.cluster}/${e.position}`} event={e} to={to.here} open={open} />
            ))}
            {found.after.length === 0 && <li className="soft">Nothing after it</li>}
          </ol>
          <div className={s.bar}>
            {limit < 100 && (found.before.length >= limit || found.after.length >= limit) && (
              <button type="button" className={s.textual} onClick={() => setLimit(Math.min(100, limit * 4))}>
                Show more on both sides
              </button>
            )}
            {found.search && <Link href={to.search(found.search, { clusters: [event.cluster] })}>All of them in Search</Link>}
          </div>
          <CoverageLine of={{ ...found.coverage, returned: found.before.length + found.after.length }} />
        </>
      )}
    </div>
  )
}

function Neighbour({ event, to, open }: { event: Event; to: (path: string) => string; open: Props['open'] }) {
  return (
    <li>
      <Time at={event.time} as="clock" />
      <a
        href={to(eventPath(event.cluster, event.position))}
        onClick={(e) => {
          if (e.metaKey || e.ctrlKey || e.shiftKey || e.button !== 0) return
          e.preventDefault()
          open(event.cluster, event.position)
        }}
      >
        <Sentence event={event} />
      </a>
      <CodeBadge code={event.code} />
    </li>
  )
}
