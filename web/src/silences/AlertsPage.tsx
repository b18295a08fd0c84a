import { useState } from 'react'
import { Link, useSearchParams } from 'wouter'
import { send } from '../api/client'
import { useAsk, useMe } from '../api/hooks'
import type { AlertOutcome, AlertsEnd, AlertStatus, TestAlertEnd } from '../api/types.gen'
import { Button, Commands, DataTable, Empty, ErrorBox, Icon, Page, Panel, Skeleton, Time } from '../components'
import { inert } from '../event/inert'
import { findingPath } from '../findings/address'
import fs from '../findings/findings.module.css'
import { Severity } from '../findings/severity'
import { count, duration } from '../state/time'
import { Outcome } from './Outcome'
import s from './silences.module.css'

const results = ['delivered', 'failed', 'silenced', 'inhibited', 'throttled', 'withdrawn']
const most = 100

/** Who was told of what, and how each destination does. ?to= and ?result= narrow it. */
export default function AlertsPage() {
  const me = useMe()
  const [params, setParams] = useSearchParams()
  const auditor = me.data !== undefined && me.data.role !== 'reader'
  const [to, result] = [params.get('to') ?? '', params.get('result') ?? '']
  const question = { to: to ? [to] : undefined, results: result ? [result] : undefined, limit: most }
  const answer = useAsk<AlertOutcome, AlertsEnd>('alerts', question, { enabled: auditor, keep: true })
  const all = answer.data?.items
  const end = answer.data?.end
  const set = (name: string, value: string) =>
    setParams((p) => {
      value ? p.set(name, value) : p.delete(name)
      return p
    })
  if (me.data && !auditor) {
    return (
      <Page title="Alerts" crumbs={[['Findings', '/findings']]}>
        <p>Alerts are for auditors; you are {me.data.role}.</p>
      </Page>
    )
  }
  return (
    <Page
      title="Alerts"
      about="Who was told of what was found."
      crumbs={[['Findings', '/findings']]}
      actions={
        <>
          <Link href="/silences" className={fs.aside}>
            Silences
          </Link>
          <Button icon="refresh" onClick={() => answer.refetch()}>
            Ask anew
          </Button>
          <Commands cli="annals alerts" name="alerts" question={question} />
        </>
      }
    >
      <ErrorBox error={answer.error} what="Listing the alerts" retry={() => answer.refetch()} />
      {end?.failing && (
        <p className={s.failing} role="alert">
          <Icon name="alert" size={14} /> Nobody is told of anything at present: {inert(end.failing)}
        </p>
      )}
      {!end && !answer.error && <Skeleton height="16rem" />}
      {end && (
        <Panel title={end.destinations.length === 1 ? '1 destination' : `${end.destinations.length} destinations`} flush>
          {end.destinations.length === 0 ? (
            <p className={fs.inset}>
              None is configured, so nobody is told of findings. Destinations stand under <code>alerts</code> in <code>watch.yaml</code>, in the data directory of the server.
            </p>
          ) : (
            <Destinations of={end.destinations} admin={me.data?.role === 'admin'} />
          )}
        </Panel>
      )}
      {end && (
        <section className={fs.filters} aria-label="Which alerts">
          <label>
            Destination
            <select value={to} onChange={(e) => set('to', e.target.value)}>
              <option value="">any</option>
              {[...new Set([...end.destinations.map((d) => d.name), ...(to ? [to] : [])])].map((n) => (
                <option key={n} value={n}>
                  {inert(n)}
                </option>
              ))}
            </select>
          </label>
          <label>
            Outcome
            <select value={result} onChange={(e) => set('result', e.target.value)}>
              <option value="">any</option>
              {results.map((r) => (
                <option key={r} value={r}>
                  {r}
                </option>
              ))}
            </select>
          </label>
        </section>
      )}
      {all?.length === 0 && (
        <Empty title={to || result ? 'No alert is like that' : 'Nobody was told of anything yet'} ranged={false} complete={end?.complete}>
          {(to || result) && <Link href="/alerts">All alerts</Link>}
        </Empty>
      )}
      {all && all.length > 0 && (
        <DataTable
          caption="Alerts, the newest first"
          rows={all}
          id={(a, i) => `${i} ${a.key}`}
          columns={[
            { key: 'time', head: 'When', by: (a) => a.time, cell: (a) => <Time at={a.time} /> },
            { key: 'to', head: 'Destination', header: true, by: (a) => a.destination, cell: (a) => inert(a.destination) },
            { key: 'severity', head: 'Worst', cell: (a) => <Severity of={a.severity} short /> },
            { key: 'result', head: 'Outcome', by: (a) => a.result, cell: (a) => <Outcome of={a} /> },
            {
              key: 'findings',
              head: 'Findings',
              align: 'right',
              by: (a) => a.count,
              cell: (a) => (a.findings.length > 0 ? <Link href={findingPath(a.findings[0]!)}>{count(a.count)}</Link> : count(a.count)),
            },
            {
              key: 'group',
              head: 'Together by',
              cell: (a) =>
                Object.entries(a.group ?? {})
                  .map(([k, v]) => `${k} ${inert(v)}`)
                  .join(', '),
            },
          ]}
        />
      )}
      {end && (
        <p className="soft">
          {end.complete ? 'Complete' : `Incomplete: ${(end.why ?? []).map(inert).join('; ')}`} · {count(end.returned)} shown{end.limitReached ? ', there are more' : ''}. Each is an event of the cluster annals.
        </p>
      )}
    </Page>
  )
}

function Destinations({ of, admin }: { of: AlertStatus[]; admin: boolean }) {
  const [tested, setTested] = useState<Record<string, string>>({})
  const test = async (name: string) => {
    setTested((t) => ({ ...t, [name]: 'sending…' }))
    try {
      const { end } = await send<never, TestAlertEnd>('/api/v1/alerts/test', { method: 'POST', body: JSON.stringify({ to: name }) }, {})
      setTested((t) => ({ ...t, [name]: `arrived after ${duration(end.seconds)}` }))
    } catch (e) {
      setTested((t) => ({ ...t, [name]: `failed: ${(e as Error).message}` }))
    }
  }
  return (
    <DataTable
      caption="Destinations"
      rows={of}
      id={(d) => d.name}
      columns={[
        { key: 'name', head: 'Destination', header: true, by: (d) => d.name, cell: (d) => inert(d.name) },
        { key: 'kind', head: 'Kind', by: (d) => d.kind, cell: (d) => d.kind },
        {
          key: 'state',
          head: 'State',
          cell: (d) =>
            d.error ? (
              <span className={s.failing}>
                <Icon name="alert" size={12} /> fails{d.since && <> since <Time at={d.since} as="minute" /></>}: {inert(d.error)}
              </span>
            ) : (
              <span className="ok">
                <Icon name="check" size={12} /> well
              </span>
            ),
        },
        { key: 'waiting', head: 'Waiting', align: 'right', by: (d) => d.findings, cell: (d) => count(d.findings) },
        { key: 'delivered', head: 'Delivered', align: 'right', by: (d) => d.delivered, cell: (d) => count(d.delivered) },
        { key: 'failed', head: 'Given up', align: 'right', by: (d) => d.failed, cell: (d) => count(d.failed) },
        { key: 'last', head: 'Last', by: (d) => d.last ?? '', cell: (d) => (d.last ? <Time at={d.last} as="ago" /> : 'never') },
        ...(admin
          ? [
              {
                key: 'test',
                head: <span className="visually-hidden">Test</span>,
                cell: (d: AlertStatus) => (
                  <span>
                    <Button small onClick={() => test(d.name)} disabled={tested[d.name] === 'sending…'} aria-label={`Send a test to ${inert(d.name)}`}>
                      Test
                    </Button>{' '}
                    <span role="status">{tested[d.name] && inert(tested[d.name]!)}</span>
                  </span>
                ),
              },
            ]
          : []),
      ]}
    />
  )
}
