import { SegmentedControl, Switch } from '@mantine/core'
import { useMediaQuery } from '@mantine/hooks'
import { type FormEvent, useState } from 'react'
import { useSearchParams } from 'wouter'
import { useAsk } from '../api/hooks'
import type { Sessions } from '../api/types.gen'
import { Button, Commands, CoverageLine, Empty, ErrorBox, Incomplete, Page, Panel, quote, Skeleton } from '../components'
import { useRange } from '../state/range'
import { count } from '../state/time'
import { Lanes } from './Lanes'
import { SessionList } from './SessionList'
import { SessionTable } from './SessionTable'
import s from './sessions.module.css'

/** Shells and the like: who was inside what, when, and with which command. */
export default function SessionsPage() {
  const range = useRange()
  const [params, setParams] = useSearchParams()
  const query = params.get('q') ?? ''
  const denied = params.get('denied') === '1'
  const view = params.get('view') === 'lanes' ? 'lanes' : 'table'
  const [text, setText] = useState(query)
  const [limit, setLimit] = useState(200)
  const narrow = useMediaQuery('(max-width: 48em)')
  const set = (name: string, value: string | undefined) =>
    setParams((p) => {
      value ? p.set(name, value) : p.delete(name)
      return p
    })
  const question = { query, ...range.of, denied, limit }
  const answer = useAsk<never, Sessions>('sessions', question, { keep: true })
  const end = answer.data?.end
  const sessions = end?.sessions ?? []
  const cli = ['annals sessions', query && quote(query), denied && '--denied', range.of.since && `--since ${range.of.since}`, range.of.until && `--until ${range.of.until}`, ...range.clusters.map((c) => `--cluster ${quote(c)}`)].filter(Boolean).join(' ')
  const submit = (e: FormEvent) => {
    e.preventDefault()
    set('q', text.trim())
  }
  return (
    <Page title="Sessions" about="Exec, attach, port-forward, cp and debug, each joined from all its events; the denied ones too." actions={<Commands cli={cli} name="sessions" question={question} />}>
      <Panel
        title={end ? `${count(sessions.length)} ${sessions.length === 1 ? 'session' : 'sessions'}${end.coverage?.limitReached ? ' or more' : ''}` : 'Sessions'}
        flush
        tools={
          <div className={s.tools}>
            <form onSubmit={submit} className={s.search} role="search" aria-label="Narrow the sessions">
              <input type="search" aria-label="Narrow with a search" placeholder="user:alice ns:prod" value={text} onChange={(e) => setText(e.currentTarget.value)} spellCheck={false} autoComplete="off" />
              <Button small type="submit">
                Narrow
              </Button>
            </form>
            <Switch size="xs" label="Denied only" checked={denied} onChange={(e) => set('denied', e.currentTarget.checked ? '1' : undefined)} />
            <SegmentedControl
              size="xs"
              aria-label="How sessions are shown"
              value={view}
              onChange={(v) => set('view', v === 'lanes' ? v : undefined)}
              data={[
                { value: 'table', label: 'Table' },
                { value: 'lanes', label: 'Lanes' },
              ]}
            />
          </div>
        }
      >
        {(answer.error || (end?.coverage && !end.coverage.complete)) && (
          <div className={s.inset}>
            <ErrorBox error={answer.error} what="Finding sessions" retry={() => answer.refetch()} />
            <Incomplete of={end?.coverage} />
          </div>
        )}
        {answer.isPending && <Skeleton height="18rem" />}
        {end && sessions.length === 0 && (
          <Empty title={denied ? 'No session was denied' : 'There was no session'} search={query || undefined} complete={end.coverage?.complete}>
            <p className="soft">A session shows where the audit policy records pods/exec and its kin at all; its command stands in the request’s address, so the level Metadata is enough.</p>
          </Empty>
        )}
        {sessions.length > 0 && (view === 'table' ? narrow ? <SessionList sessions={sessions} /> : <SessionTable sessions={sessions} /> : <Lanes sessions={sessions} range={range} />)}
        <div className={s.inset}>
          {end?.coverage?.limitReached && (
            <Button small onClick={() => setLimit(limit * 5)}>
              Show more
            </Button>
          )}
          <CoverageLine of={end?.coverage} unit="sessions" />
        </div>
      </Panel>
    </Page>
  )
}
