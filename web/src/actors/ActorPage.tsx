import { Fragment, lazy, type ReactNode, Suspense, useState } from 'react'
import { Link } from 'wouter'
import { useAsk } from '../api/hooks'
import type { ActorCount, ActorProfile } from '../api/types.gen'
import { Button, CodeBadge, Commands, CoverageLine, Empty, ErrorBox, Incomplete, Page, Panel, quote, Skeleton, Time } from '../components'
import { inert } from '../event/inert'
import { actorPath, useTo } from '../event/paths'
import { FindingsPanel } from '../findings/FindingsPanel'
import { useWholeRange } from '../objects/whole'
import { quoted, term } from '../state/query'
import { useRange } from '../state/range'
import { count } from '../state/time'
import s from './actors.module.css'
import { Bars } from './Bars'
import { Days } from './Days'
import { Grants } from './Grants'
import { Spans } from './Spans'

const Baselines = lazy(() => import('./Baseline'))
const LeastRole = lazy(() => import('./LeastRole'))

/** What is known of one user. */
export default function ActorPage({ user }: { user: string }) {
  const ready = useWholeRange()
  const range = useRange()
  const to = useTo()
  const [role, setRole] = useState(false)
  const question = { user, ...range.of }
  const answer = useAsk<never, ActorProfile>('actors/profile', question, { enabled: ready, keep: true })
  const p = answer.data?.end
  const mine = `(${term('user', user)} OR ${term('as', user)})`
  const search = (more = '') => to.search(`${mine} ${more}`.trim(), range.of)
  const cli = [`annals who ${quote(user)}`, range.of.since && `--since ${range.of.since}`, range.of.until && `--until ${range.of.until}`, ...range.clusters.map((c) => `--cluster ${quote(c)}`)].filter(Boolean).join(' ')
  return (
    <Page
      title={inert(user)}
      about={
        p && p.events > 0 ? (
          <>
            First seen <Time at={p.first} as="minute" />, last <Time at={p.last} as="minute" /> (<Time at={p.last} as="ago" />)
          </>
        ) : undefined
      }
      crumbs={[['Actors', '/actors']]}
      actions={
        <>
          <Link href={search()} className={s.aside}>
            All their events
          </Link>
          <Commands cli={cli} name="actors/profile" question={question} />
        </>
      }
    >
      <ErrorBox error={answer.error} what="The profile" retry={() => answer.refetch()} />
      <Incomplete of={p?.coverage} />
      {!p && !answer.error && <Skeleton height="24rem" />}
      {p && p.events === 0 && (
        <Empty title="Nothing was done by this user" search={mine} complete={p.coverage?.complete}>
          {p.near && p.near.length > 0 ? (
            <p>
              Names that are like it:{' '}
              {p.near.map((name, i) => (
                <Fragment key={name}>
                  {i > 0 && ', '}
                  <Link href={to.here(actorPath(name))}>{inert(name)}</Link>
                </Fragment>
              ))}
            </p>
          ) : (
            <p>User names are compared with their case, as the API server wrote them.</p>
          )}
        </Empty>
      )}
      {p && p.events > 0 && (
        <>
          <ul className={s.figures} data-testid="figures">
            <Figure n={p.events} word="requests" href={search()} />
            <Figure n={p.failures} word="failed" href={search('code>=400')} tone={p.failures > 0 ? 'warn' : undefined} />
            <Figure n={p.forbidden} word="forbidden" href={search('code:403')} tone={p.forbidden > 0 ? 'bad' : undefined} />
            <Figure n={p.addresses?.length ?? 0} word={p.addresses?.length === 1 ? 'address' : 'addresses'} />
            <Figure n={p.namespaces?.length ?? 0} word={p.namespaces?.length === 1 ? 'namespace' : 'namespaces'} />
          </ul>
          {p.notes && p.notes.length > 0 && (
            <ul className={s.notes} aria-label="What this cannot tell">
              {p.notes.map((n) => (
                <li key={n}>{inert(n)}</li>
              ))}
            </ul>
          )}
          <FindingsPanel range={range.of} user={user} title="Findings about them" />
          <Panel title="Activity">
            <Days days={p.days ?? []} hrefOf={(day) => to.search(mine, { since: `${day}T00:00:00.000Z`, until: new Date(Date.parse(day) + 86_400_000).toISOString(), clusters: range.of.clusters })} />
          </Panel>
          <Suspense fallback={<Skeleton height="10rem" />}>
            <Baselines user={user} clusters={range.clusters} />
          </Suspense>
          <Panel title="From where, and with what" tools={<span className="soft">each from its first to its last request</span>}>
            <div className={s.stack}>
              <Spans label="Addresses" values={p.addresses ?? []} from={p.first} to={p.last} hrefOf={(v) => search(term('ip', v.value))} />
              <Spans label="Clients" values={p.agents ?? []} from={p.first} to={p.last} hrefOf={(v) => search(term('agent', v.value))} />
            </div>
          </Panel>
          <div className={s.three}>
            <Counts title="Namespaces" values={p.namespaces} hrefOf={(v) => search(v.value === '' ? '-ns:*' : term('ns', v.value))} none="cluster-wide" />
            <Counts title="Verbs" values={p.verbs} hrefOf={(v) => search(term('verb', v.value))} />
            <Counts title="Resources" values={p.resources} hrefOf={(v) => search(term('resource', v.value))} none="no resource" />
            <Counts title="Answers" values={p.codes} hrefOf={(v) => search(v.value === '' ? '-code:*' : `code:${quoted(v.value)}`)} shown={(v) => <CodeBadge code={Number(v.value) || undefined} />} />
            <Counts title="Groups" values={p.groups} hrefOf={(v) => search(term('group', v.value))} />
          </div>
          {((p.actedAs?.length ?? 0) > 0 || (p.actedBy?.length ?? 0) > 0) && (
            <div className={s.two}>
              <Counts title="Acted as" values={p.actedAs} hrefOf={(v) => to.here(actorPath(v.value))} empty="They acted as nobody else." />
              <Counts title="Others acted as them" values={p.actedBy} hrefOf={(v) => to.here(actorPath(v.value))} empty="Nobody acted as them." />
            </div>
          )}
          <Panel title="What let them" flush>
            <Grants grants={p.grants ?? []} cluster={p.coverage?.clusters.length === 1 ? p.coverage.clusters[0]!.name : (range.clusters[0] ?? '')} search={search} />
          </Panel>
          <Panel
            title="Least role"
            tools={
              <Button small aria-expanded={role} onClick={() => setRole(!role)}>
                {role ? 'Hide it' : 'Write it'}
              </Button>
            }
          >
            {role ? (
              <Suspense fallback={<Skeleton height="14rem" />}>
                <LeastRole question={question} />
              </Suspense>
            ) : (
              <p className="soft">The least RBAC that covers what they did, as kubectl apply takes it.</p>
            )}
          </Panel>
          <CoverageLine of={p.coverage} unit="requests" />
        </>
      )}
    </Page>
  )
}

function Figure({ n, word, href, tone }: { n: number; word: string; href?: string; tone?: string }) {
  const text = (
    <>
      <b data-tone={tone}>{count(n)}</b> <span>{word}</span>
    </>
  )
  return <li>{href && n > 0 ? <Link href={href}>{text}</Link> : <span>{text}</span>}</li>
}

interface CountsProps {
  title: string
  values?: ActorCount[]
  hrefOf: (v: ActorCount) => string
  shown?: (v: ActorCount) => ReactNode
  none?: string
  empty?: string
}

const few = 8

function Counts({ title, values = [], hrefOf, shown, none, empty }: CountsProps) {
  const [all, setAll] = useState(false)
  return (
    <Panel
      title={title}
      tools={
        values.length > few && (
          <Button small kind="quiet" aria-expanded={all} onClick={() => setAll(!all)}>
            {all ? 'Fewer' : `All ${count(values.length)}`}
          </Button>
        )
      }
    >
      {values.length === 0 ? <p className="soft">{empty ?? 'None.'}</p> : <Bars label={title} values={all ? values : values.slice(0, few)} hrefOf={hrefOf} shown={shown ?? ((v) => (v.value === '' && none ? <i>{none}</i> : undefined))} />}
    </Panel>
  )
}
