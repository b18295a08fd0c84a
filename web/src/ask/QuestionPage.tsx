import { type FormEvent, useState } from 'react'
import { Link, useSearchParams } from 'wouter'
import { useAsk } from '../api/hooks'
import type { Answer, Event, NamedParameter, NamedQuestion } from '../api/types.gen'
import { Button, Commands, CopyButton, CoverageLine, Empty, ErrorBox, Incomplete, Page, Panel, quote, Skeleton } from '../components'
import { inert } from '../event/inert'
import { useTo } from '../event/paths'
import { Complete } from '../objects/Complete'
import { useRange } from '../state/range'
import { count } from '../state/time'
import s from './ask.module.css'
import { EventList } from './EventList'
import { type Group, Groups } from './Groups'

/** Every question can be narrowed. */
const where: NamedParameter = { name: 'where', about: 'a search that narrows the answer', type: 'query', term: '{where}' }

const examples: Record<string, string> = {
  user: 'alice@example.com',
  namespace: 'prod',
  object: 'deployments/web',
  networks: '10.0.0.0/8',
  hours: '7-19',
  days: 'monday-friday',
  number: '5',
  duration: '500ms',
  query: 'ns:prod',
}

const fields: Record<string, string> = { user: 'user', namespace: 'ns' }

const needed = (p: NamedParameter) => !p.default && !p.term

/** One question: what it leaves open, the search that it runs, and the answer. */
export function QuestionPage({ question: q }: { question: NamedQuestion }) {
  const range = useRange()
  const to = useTo()
  const [params, setParams] = useSearchParams()
  const all = [...(q.params ?? []).filter((p) => p.name !== 'where'), where]
  const given: Record<string, string> = {}
  for (const p of all) {
    const v = params.get(`p.${p.name}`)
    if (v) given[p.name] = v
  }
  const missing = all.filter((p) => needed(p) && !given[p.name])
  const [draft, setDraft] = useState(given)
  const [limit, setLimit] = useState(100)
  const question = { name: q.name, params: Object.keys(given).length ? given : undefined, ...range.of, limit }
  const answer = useAsk<Event | Group, Answer>('ask', question, { enabled: missing.length === 0, keep: true })
  const end = answer.data?.end
  const items = answer.data?.items ?? []
  const search = end?.asked?.search
  const submit = (e: FormEvent) => {
    e.preventDefault()
    setParams((p) => {
      for (const { name } of all) draft[name]?.trim() ? p.set(`p.${name}`, draft[name].trim()) : p.delete(`p.${name}`)
      return p
    })
  }
  const cli = [
    `annals ask ${quote(q.name)}`,
    ...Object.entries(given).map(([k, v]) => quote(`${k}=${v}`)),
    range.of.since && `--since ${range.of.since}`,
    range.of.until && `--until ${range.of.until}`,
    ...range.clusters.map((c) => `--cluster ${quote(c)}`),
  ]
  const counts = (q.by?.length ?? 0) > 0
  return (
    <Page
      title={inert(q.title)}
      about={inert(q.about)}
      crumbs={[['Questions', '/questions']]}
      actions={<Commands cli={cli.filter(Boolean).join(' ')} name="ask" question={question} />}
    >
      <form className={s.form} onSubmit={submit} aria-label="What the question leaves open" data-testid="question-form">
        {all.map((p) => (
          <Complete
            key={p.name}
            name={p.name}
            label={p.name}
            about={`${inert(p.about)}${p.default ? `; ${inert(p.default)} unless given` : ''}`}
            value={draft[p.name] ?? ''}
            onChange={(v) => setDraft((d) => ({ ...d, [p.name]: v }))}
            field={fields[p.type] ?? (p.name === 'name' ? 'name' : undefined)}
            of={range.of}
            placeholder={p.default || examples[p.type]}
            required={needed(p)}
          />
        ))}
        <Button kind="primary" type="submit" className={s.ask}>
          Ask
        </Button>
      </form>
      {search !== undefined && (
        <div className={s.search} data-testid="asked">
          <span className="soft">Runs</span>
          <code>{inert(search)}</code>
          <CopyButton small text={search} label="Copy the search" />
          <Link href={to.search(search, { ...range.of, clusters: range.of.clusters ?? end?.asked?.question.clusters })}>Open in Search</Link>
        </div>
      )}
      <Panel
        title={
          missing.length > 0
            ? 'Answer'
            : answer.isPending
              ? 'Asking'
              : `${count(items.length)}${end?.coverage.limitReached ? ' or more' : ''} ${counts ? (items.length === 1 ? 'group' : 'groups') : items.length === 1 ? 'event' : 'events'}`
        }
        flush
        tools={<span className="soft">{range.label}</span>}
      >
        {missing.length > 0 && (
          <p className={s.inset}>
            Give {missing.map((p) => p.name).join(' and ')} first: {missing.map((p) => inert(p.about)).join('; ')}.
          </p>
        )}
        {(answer.error || (end && !end.coverage.complete)) && (
          <div className={s.inset}>
            <ErrorBox error={answer.error} retry={() => answer.refetch()} />
            <Incomplete of={end?.coverage} />
          </div>
        )}
        {missing.length === 0 && answer.isPending && <Skeleton height="16rem" />}
        {end && items.length === 0 && (
          <Empty title="The answer is empty" search={search} complete={end.coverage.complete}>
            {q.needs && q.needs !== 'Metadata' && <p className="soft">This needs events of level {q.needs}: where the policy records less, nothing shows.</p>}
          </Empty>
        )}
        {end && items.length > 0 && (counts ? <Groups by={q.by ?? []} groups={items as Group[]} search={search ?? ''} range={range.of} /> : <EventList events={items as Event[]} slow={q.sort === 'latency'} />)}
        {end && (
          <div className={s.inset}>
            {end.coverage.limitReached && limit < 2000 && (
              <Button small onClick={() => setLimit(Math.min(2000, limit * 5))}>
                Show more
              </Button>
            )}
            <CoverageLine of={end.coverage} unit={counts ? 'groups' : 'events'} />
          </div>
        )}
      </Panel>
    </Page>
  )
}
