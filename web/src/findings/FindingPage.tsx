import { useState } from 'react'
import { Link, useSearchParams } from 'wouter'
import { useAsk, useMe } from '../api/hooks'
import type { Finding, FindingDetail } from '../api/types.gen'
import { EventList } from '../ask/EventList'
import { Button, Commands, CopyButton, ErrorBox, Icon, Page, Panel, Skeleton, Time, Value } from '../components'
import { inert } from '../event/inert'
import { actorPath, eventPath, objectPath, useTo } from '../event/paths'
import { Proof } from '../event/Proof'
import { count, duration } from '../state/time'
import { findingPath, findingsHref } from './address'
import { FindingsCoverLine, FindingsIncomplete } from './Cover'
import s from './findings.module.css'
import { RuleText } from './RuleText'
import { Severity } from './severity'
import { SilenceDialog } from './SilenceDialog'
import { Techniques } from './Techniques'
import { Told } from './Told'
import { Why } from './Why'

/** One finding, whole: what was found and why, the events, the rule, who was told, and what proves it. */
export default function FindingPage({ id }: { id: string }) {
  const answer = useAsk<never, FindingDetail>('findings/finding', { id })
  const detail = answer.data?.end
  if (!detail) {
    return (
      <Page title="Finding" crumbs={[['Findings', '/findings']]}>
        <ErrorBox error={answer.error} what="Reading the finding" retry={() => answer.refetch()} />
        {!answer.error && <Skeleton height="28rem" />}
      </Page>
    )
  }
  return <Whole detail={detail} />
}

function Whole({ detail }: { detail: FindingDetail }) {
  const { finding: f, rule, events } = detail
  const me = useMe()
  const to = useTo()
  const [silencing, setSilencing] = useState(false)
  const auditor = me.data !== undefined && me.data.role !== 'reader'
  const search = to.search(positionsOf(f), { clusters: [f.cluster] })
  return (
    <Page
      title={inert(f.title)}
      crumbs={[['Findings', '/findings']]}
      actions={
        <>
          <CopyButton labelled label="Copy link" text={() => new URL(findingPath(f.id), window.location.origin).toString()} />
          {auditor && !f.withdrawn && (
            <Button icon="pause" onClick={() => setSilencing(true)}>
              Silence…
            </Button>
          )}
          <Commands cli={`annals findings ${f.id}`} name="findings/finding" question={{ id: f.id }} />
        </>
      }
    >
      <div className={s.about}>
        <Severity of={f.severity} />
        <Time at={f.time} />
        <Time at={f.time} as="ago" />
        <Techniques of={f.techniques} />
      </div>
      <p className={s.summary} data-testid="summary">
        {inert(f.summary)}
      </p>
      <FindingsIncomplete of={detail.coverage} />
      {f.withdrawn && <Withdrawn of={f.withdrawn} />}
      {detail.changed && (
        <p className={s.note}>
          <Icon name="info" size={14} /> The rule was another one when it found this: version {f.version}. It is shown as it is now.
        </p>
      )}
      {f.unusual && <Unusual of={f.unusual} />}
      <Panel title="Why">
        <Why finding={f} events={events} />
      </Panel>
      <div className={s.two}>
        <Panel title="Who, from where, on what">
          <Facts finding={f} />
        </Panel>
        <Panel title="The rule" tools={rule && <Link href={to.here(`/rules/${encodeURIComponent(rule.id)}`)}>All of it</Link>}>
          {rule ? <RuleText rule={rule} folded /> : <p className="soft">There is no rule {inert(f.rule)} any more, or your token does not show it. It was {inert(f.title)}, version {f.version}.</p>}
        </Panel>
      </div>
      <Panel
        title={f.count === 1 ? 'The request' : `${count(f.count)} requests`}
        tools={<Link href={search}>Search these</Link>}
        flush
      >
        {events.length === 0 ? <p className={s.inset}>None of its events can be shown: they expired, or your token does not show them.</p> : <EventList events={events} />}
        {!!detail.more && <p className={`soft ${s.inset}`}>and {count(detail.more)} more: the ledger has them, or they expired.</p>}
      </Panel>
      {auditor && <Told detail={detail} silence={() => setSilencing(true)} />}
      {f.position !== undefined ? (
        <>
          <Proof cluster="annals" position={f.position} state={detail.proof} />
          <p className="soft">
            The finding is itself an event of the cluster annals, recorded <Time at={f.recorded} as="minute" />: <Link href={eventPath('annals', f.position)}>position {count(f.position)}</Link>
          </p>
        </>
      ) : (
        <p className="soft">The finding is itself an event of the cluster annals{detail.proof.signed ? ', which a signed checkpoint covers' : ''}. Auditors can have it proven.</p>
      )}
      <FindingsCoverLine of={detail.coverage} unit="finding" />
      <SilenceDialog opened={silencing} onClose={() => setSilencing(false)} finding={f} />
    </Page>
  )
}

const mostSearched = 100

function positionsOf(f: Finding): string {
  const at = f.positions.slice(-mostSearched)
  return at.length === 1 ? `position:${at[0]}` : `position:(${at.join(' OR ')})`
}

function Withdrawn({ of }: { of: NonNullable<Finding['withdrawn']> }) {
  const to = useTo()
  return (
    <section className={s.withdrawn} aria-label="Withdrawn" data-testid="withdrawn">
      <Icon name="minus" size={18} />
      <div>
        <p>
          <b>Withdrawn: this is no finding any more.</b> {inert(of.reason)}
        </p>
        {of.by && of.by.length > 0 && (
          <p>
            In its stead:{' '}
            {of.by.map((id, i) => (
              <span key={id}>
                {i > 0 && ', '}
                <Link href={to.here(findingPath(id))}>{id.slice(0, 8)}</Link>
              </span>
            ))}
          </p>
        )}
      </div>
    </section>
  )
}

/** What is unusual, against what, and how unusual that is. */
function Unusual({ of }: { of: NonNullable<Finding['unusual']> }) {
  return (
    <Panel title="What is unusual">
      <dl className={s.facts} data-testid="unusual">
        <div>
          <dt>{inert(of.what)}</dt>
          <dd>
            <b>{inert(of.value)}</b>
          </dd>
        </div>
        <div>
          <dt>Against</dt>
          <dd>
            {inert(of.baseline)}
            <br />
            <span className="soft">
              <Time at={of.from} as="minute" /> → <Time at={of.until} as="minute" />
            </span>
          </dd>
        </div>
        {of.usual && of.usual.length > 0 && (
          <div>
            <dt>Usual</dt>
            <dd>{of.usual.map(inert).join(', ')}</dd>
          </div>
        )}
        <div>
          <dt>How unusual</dt>
          <dd>
            {of.score.toFixed(1)} bits <span className="soft">{oddsOf(of.score)}</span>
          </dd>
        </div>
      </dl>
    </Panel>
  )
}

function oddsOf(bits: number): string {
  if (!(bits > 0)) return ''
  if (bits > 40) return 'less than once in a million million'
  const n = Math.round(2 ** bits)
  return `about once in ${count(n < 100 ? n : Number(n.toPrecision(2)))}`
}

function Facts({ finding: f }: { finding: Finding }) {
  const to = useTo()
  const [params] = useSearchParams()
  const [resource = '', subresource] = (f.resource ?? '').split('/', 2)
  const object = resource && f.name && !subresource ? { cluster: f.cluster, resource, namespace: f.namespace, name: f.name } : undefined
  const fact = (name: string, field: string, value: string | number | undefined) =>
    value !== undefined && value !== '' ? (
      <div>
        <dt>{name}</dt>
        <dd>
          <Value field={field} value={String(value)}>
            {inert(String(value))}
          </Value>
        </dd>
      </div>
    ) : null
  return (
    <>
      <dl className={s.facts} data-tools="shown">
        {fact('Who', 'user', f.user)}
        {fact('Acting as', 'as', f.as)}
        {fact('From', 'peer', f.peer)}
        {fact('Did', 'verb', f.verb)}
        {fact('On', 'resource', f.resource)}
        {fact('Named', 'name', f.name)}
        {fact('In namespace', 'ns', f.namespace)}
        {fact('Of cluster', 'cluster', f.cluster)}
        {fact('Answer', 'code', f.code)}
        {Object.entries(f.group ?? {}).map(([name, value]) => (
          <div key={name}>
            <dt>In common: {inert(name)}</dt>
            <dd>{inert(value)}</dd>
          </div>
        ))}
        {f.from && (
          <div>
            <dt>First to last</dt>
            <dd>
              <Time at={f.from} /> → <Time at={f.time} as="clock" /> <span className="soft">{duration((Date.parse(f.time) - Date.parse(f.from)) / 1000)}</span>
            </dd>
          </div>
        )}
      </dl>
      <p className={s.ways}>
        {f.user && <Link href={to.here(actorPath(f.user))}>What they did</Link>}
        {f.user && <Link href={findingsHref(params, { user: f.user })}>Findings about them</Link>}
        {object && <Link href={to.here(objectPath(object))}>The object’s history</Link>}
        <Link href={findingsHref(params, { rule: f.rule })}>Findings of the rule</Link>
      </p>
    </>
  )
}
