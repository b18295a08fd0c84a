import { type ReactNode, useEffect, useId, useMemo, useState } from 'react'
import { Link, useLocation, useSearchParams } from 'wouter'
import { ask } from '../api/client'
import { useAsk } from '../api/hooks'
import type { Event, EventDetail } from '../api/types.gen'
import { Button, CodeBadge, Commands, CopyButton, CoverageLine, ErrorBox, Incomplete, Mark, quote, Sentence, Skeleton, Time, Value } from '../components'
import { addTerm } from '../state/query'
import { carried } from '../state/range'
import { EventFindings } from './EventFindings'
import s from './EventView.module.css'
import { inert } from './inert'
import { JsonTree } from './JsonTree'
import { NeighboursPart } from './Neighbours'
import { actorPath, eventPath, objectOf, objectPath, useTo } from './paths'
import { Proof } from './Proof'
import { allowedBy } from './reason'
import { save } from './save'
import { Stages } from './Stages'
import type { Json } from './tree'

export interface EventViewProps {
  cluster: string
  position: number
  /** It is all that there is on the screen; else it stands beside a list, and its headings are lower. */
  page?: boolean
}

const explained: Record<string, string> = {
  salvaged: 'The event arrived cut short. What could be read of it is shown; the bytes are kept as they came.',
  quarantined: 'The event could not be read at all. Its bytes are kept, and nothing is made up about them.',
  truncated: 'The API server left bodies or strings out because the event was larger than its limit.',
  conflict: 'Another event has the same audit ID and stage but other bytes. Audit IDs are chosen by the client: look at both.',
  redacted: 'A rule removed parts of the event before it was kept. What is left of each is its rule, its length and a keyed digest.',
  'duplicate-member': 'A member stands twice in the JSON. Parsers disagree about which counts.',
}

/** One event, whole: what it says, what is around it, and what proves it. */
export function EventView({ cluster, position, page }: EventViewProps) {
  const answer = useAsk<never, EventDetail>('event', { cluster, position })
  const detail = answer.data?.end
  const [path, go] = useLocation()
  const [params, setParams] = useSearchParams()
  const title = detail?.event.sentence
  useEffect(() => {
    if (page && title) document.title = `${inert(title)} · Annals`
  }, [page, title])

  const searching = path.startsWith('/search')
  const open = (c: string, p: number) => {
    if (!searching) return go(eventPath(c, p) + carried(params))
    setParams((now) => {
      now.set('open', `${c}/${p}`)
      return now
    })
  }
  const filter = (field: string, value: string, exclude: boolean) => {
    const to = new URLSearchParams(carried(params))
    to.set('q', addTerm(searching ? (params.get('q') ?? '') : '', field, value, exclude))
    go(`/search?${to}`)
  }

  if (answer.error) {
    return (
      <div className={s.view}>
        {page && <h1>This event cannot be shown</h1>}
        <ErrorBox error={answer.error} what="Reading the event" retry={() => answer.refetch()} />
      </div>
    )
  }
  if (!detail) return <Waiting page={page} />
  return <Whole key={`${cluster}/${position}`} detail={detail} page={page} open={open} filter={filter} />
}

function Waiting({ page }: { page?: boolean }) {
  return (
    <div className={s.view} aria-busy="true">
      {page && <h1 className="visually-hidden">Event</h1>}
      <span className="visually-hidden" role="status">
        Reading the event
      </span>
      <Skeleton width="70%" height="1.4rem" />
      <Skeleton width="40%" />
      <Skeleton height="11rem" />
      <Skeleton height="18rem" />
    </div>
  )
}

interface WholeProps {
  detail: EventDetail
  page?: boolean
  open: (cluster: string, position: number) => void
  filter: (field: string, value: string, exclude: boolean) => void
}

function Whole({ detail, page, open, filter }: WholeProps) {
  const { event, stages, proof } = detail
  const Title = page ? 'h1' : 'h3'
  const whole = event.event as Json | undefined
  const path = eventPath(event.cluster, event.position)
  return (
    <article className={s.view} data-testid="event" aria-label="Event">
      <header className={s.head}>
        <Title className={s.title}>
          <Sentence event={event} />
        </Title>
        <div className={s.badges}>
          <CodeBadge code={event.code} />
          <span className={s.plain}>{event.stage ?? 'no stage'}</span>
          <span className={s.plain}>{event.level ?? 'no level'}</span>
          <Time at={event.time} />
          <Time at={event.time} as="ago" />
        </div>
        <div className={`${s.actions} no-print`}>
          <CopyButton labelled small text={() => new URL(path, window.location.origin).toString()} label="Copy link" />
          {!page && (
            <Link href={path} className={s.link}>
              Open as a page
            </Link>
          )}
          <Commands
            small
            cli={`annals search ${quote(`position:${event.position}`)} --cluster ${quote(event.cluster)} -o json`}
            name="event"
            question={{ cluster: event.cluster, position: event.position }}
          />
        </div>
      </header>
      <Incomplete of={detail.coverage} />
      {event.marks && event.marks.length > 0 && <Marks event={event} />}
      <Proof cluster={event.cluster} position={event.position} auditID={event.auditID} state={proof} />
      <EventFindings event={event} />
      <Facts detail={detail} filter={filter} />
      <Section title="The request" page={page}>
        <Stages stages={stages} position={event.position} open={open} />
      </Section>
      <Section title="What happened around it" page={page}>
        <NeighboursPart event={event} page={page} open={open} />
      </Section>
      <Section
        title="The event itself"
        page={page}
        tools={
          <>
            {whole !== undefined && <CopyButton labelled small label="Copy JSON" text={() => JSON.stringify(whole, null, 2)} />}
            <Bytes event={event} />
          </>
        }
      >
        {detail.coverage?.withoutBodies && <p className="soft">Your token shows no bodies of requests and responses: requestObject and responseObject are not here.</p>}
        {whole === undefined ? (
          <p>The bytes hold no event that can be read{event.note ? `: ${inert(event.note)}` : ''}. They can be downloaded as they are kept.</p>
        ) : (
          <JsonTree
            value={whole}
            label="the event as JSON"
            onFilter={filter}
            openAtFirst={['user', 'objectRef', 'responseStatus', 'annotations', 'sourceIPs', 'impersonatedUser']}
          />
        )}
      </Section>
      <CoverageLine of={detail.coverage} />
    </article>
  )
}

function Section({ title, tools, page, children }: { title: string; tools?: ReactNode; page?: boolean; children: ReactNode }) {
  const id = useId()
  const Head = page ? 'h2' : 'h4'
  return (
    <section className={s.section} aria-labelledby={id}>
      <header>
        <Head id={id}>{title}</Head>
        {tools && <div className={`${s.actions} no-print`}>{tools}</div>}
      </header>
      {children}
    </section>
  )
}

function Marks({ event }: { event: Event }) {
  return (
    <ul className={s.marks} data-testid="marks">
      {event.marks?.map((m) => (
        <li key={m}>
          <Mark mark={m} /> <span>{explained[m] ?? 'A mark that this page does not know.'}</span>
        </li>
      ))}
      {event.note && <li className="soft">{inert(event.note)}</li>}
    </ul>
  )
}

/** The seven questions, the outcome and the reason, each with the values that answer it. */
function Facts({ detail, filter }: { detail: EventDetail; filter: WholeProps['filter'] }) {
  const { event: e, seven } = detail
  const to = useTo()
  const object = objectOf(e)
  const allowed = useMemo(() => (e.reason ? allowedBy(e.cluster, e.reason) : undefined), [e])
  const value = (field: string, v: string | undefined, shown?: ReactNode) =>
    v ? (
      <Value field={field} value={v} onFilter={filter}>
        {shown ?? inert(v)}
      </Value>
    ) : null
  return (
    <dl className={s.facts} data-testid="facts" data-tools="shown">
      <Fact name="Who" said={seven.who === e.user ? undefined : seven.who}>
        {value('user', e.user)}
        {e.impersonatedUser && <>as {value('as', e.impersonatedUser)}</>}
        {e.user && (
          <Link className={s.go} href={to.here(actorPath(e.user))}>
            What they did
          </Link>
        )}
        {e.impersonatedUser && (
          <Link className={s.go} href={to.here(actorPath(e.impersonatedUser))}>
            What was done as {inert(e.impersonatedUser)}
          </Link>
        )}
      </Fact>
      <Fact name="What" said={seven.what === e.sentence ? undefined : seven.what}>
        {value('verb', e.verb)}
        {!e.verb && !e.requestURI && seven.what === e.sentence && 'unknown, because the event does not tell'}
        {e.requestURI && value('uri', e.requestURI, <code>{inert(e.requestURI)}</code>)}
      </Fact>
      <Fact name="On what" said={seven.onWhat}>
        {e.resource && value('resource', e.subresource ? `${e.resource}/${e.subresource}` : e.resource)}
        {value('ns', e.namespace)}
        {value('name', e.name)}
        {object && (
          <Link className={s.go} href={to.here(objectPath(object))}>
            Its history
          </Link>
        )}
      </Fact>
      <Fact name="When" said={seven.when} />
      <Fact name="From where" said={seven.from}>
        {e.sourceIPs?.map((ip) => (
          <Value key={ip} field="ip" value={ip} onFilter={filter}>
            {inert(ip)}
          </Value>
        ))}
        {value('agent', e.userAgent)}
      </Fact>
      <Fact name="To where" said={seven.to} />
      <Fact name="Where observed" said={seven.observed}>
        {value('origin', e.origin)}
        {e.alsoFrom && e.alsoFrom.length > 0 && <span className="soft">also by {e.alsoFrom.map(inert).join(', ')}</span>}
      </Fact>
      <Fact name="Outcome">
        {value('code', e.code ? String(e.code) : undefined, <CodeBadge code={e.code} />)}
        {!e.code && <span>{e.stage === 'RequestReceived' ? 'not known at this stage' : 'none recorded'}</span>}
        {value('decision', e.decision)}
      </Fact>
      <Fact name={e.decision === 'forbid' ? 'Why refused' : 'Why allowed'}>
        {allowed && (
          <span>
            <Link href={to.here(objectPath(allowed.binding))}>{inert(allowed.bindingText)}</Link> gives{' '}
            <Link href={to.here(objectPath(allowed.role))}>{inert(allowed.roleText)}</Link> to {inert(allowed.to)}
          </span>
        )}
        {e.reason && !allowed && value('reason', e.reason)}
        {!e.reason && <span className="soft">{whyNot(e)}</span>}
      </Fact>
    </dl>
  )
}

function whyNot(e: Event): string {
  if (e.decision === 'forbid') return 'Nothing allowed it; the event names no reason.'
  if (e.stage === 'RequestReceived') return 'Not decided yet at this stage.'
  return e.decision ? 'The event names no reason.' : 'The event holds no decision.'
}

function Fact({ name, said, children }: { name: string; said?: string; children?: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {said && <p>{inert(said)}</p>}
        {children && <div className={s.values}>{children}</div>}
      </dd>
    </div>
  )
}

/** The bytes as the ledger keeps them. */
function Bytes({ event }: { event: Event }) {
  const [error, setError] = useState<Error>()
  const load = async () => {
    setError(undefined)
    try {
      const { items } = await ask<Event>('events', { query: `position:${event.position}`, clusters: [event.cluster], detail: 'raw', limit: 1 })
      if (!items[0]?.raw) throw new Error('The server gave no bytes.')
      save(items[0].raw, `event-${event.cluster}-${event.position}.json`)
    } catch (e) {
      setError(e as Error)
    }
  }
  return (
    <>
      <Button small icon="download" onClick={load}>
        Bytes as kept
      </Button>
      {error && (
        <span role="alert" className="bad">
          {error.message}
        </span>
      )}
    </>
  )
}
