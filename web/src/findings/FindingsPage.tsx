import { useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useMemo, useState } from 'react'
import { Link, useParams } from 'wouter'
import { useAsk, useMe } from '../api/hooks'
import type { FindingGroup, FindingGroupsEnd } from '../api/types.gen'
import { Button, Commands, Empty, ErrorBox, Page, quote, Share, Skeleton } from '../components'
import { segmentOf, useTo } from '../event/paths'
import { useRange } from '../state/range'
import { count } from '../state/time'
import { groupings, questionOf, useFilters } from './address'
import { FindingsCoverLine, FindingsIncomplete } from './Cover'
import { FilterBar } from './FilterBar'
import s from './findings.module.css'
import { Group } from './Group'
import { Severity, severities } from './severity'
import { useNew } from './useNew'

const FindingPage = lazy(() => import('./FindingPage'))

/** /findings, and /findings/ID */
export default function FindingsPage() {
  const id = segmentOf(useParams()['*'] ?? '')
  if (!id) return <Groups />
  return (
    <Suspense
      fallback={
        <Page title="Finding">
          <Skeleton height="24rem" />
        </Page>
      }
    >
      <FindingPage key={id} id={id} />
    </Suspense>
  )
}

const most = 100

/** What rules found, in groups, the worst first. */
function Groups() {
  const range = useRange()
  const me = useMe()
  const to = useTo()
  const client = useQueryClient()
  const { filters, by, open, setOne, add, remove, clear, toggle } = useFilters()
  const conditions = useMemo(() => ({ ...questionOf(filters), ...range.of }), [filters, range.of])
  const question = { ...conditions, by: groupings[by], limit: most }
  const answer = useAsk<FindingGroup, FindingGroupsEnd>('findings/groups', question, { keep: true })
  const groups = answer.data?.items
  const end = answer.data?.end
  const [round, setRound] = useState(0)
  const fresh = useNew(conditions, round)
  const narrowed = filters.severity || filters.q || filters.rule.length + filters.technique.length + filters.user.length + filters.ns.length > 0
  const again = () => {
    client.removeQueries({ queryKey: ['findings'] })
    range.refresh()
    answer.refetch()
    setRound(round + 1)
  }
  const cli = [
    'annals findings',
    filters.severity && `--severity ${filters.severity}`,
    ...filters.rule.map((r) => `--rule ${quote(r)}`),
    ...filters.technique.map((t) => `--technique ${quote(t)}`),
    ...filters.user.map((u) => `--user ${quote(u)}`),
    ...filters.ns.map((n) => `--namespace ${quote(n)}`),
    ...range.clusters.map((c) => `--cluster ${quote(c)}`),
    filters.q && `--where ${quote(filters.q)}`,
    range.of.since && `--since ${range.of.since}`,
    range.of.until && `--until ${range.of.until}`,
    `--by ${groupings[by].join(',')}`,
  ]
  return (
    <Page
      title="Findings"
      about="What rules found in the events: attacks, and what looks like one."
      actions={
        <>
          <nav aria-label="About findings" className={s.aside}>
            <Link href={to.here('/rules')}>Rules</Link>
            <Link href={to.here('/attack')}>ATT&CK map</Link>
            {me.data && me.data.role !== 'reader' && (
              <>
                <Link href={to.here('/silences')}>Silences</Link>
                <Link href={to.here('/alerts')}>Alerts</Link>
              </>
            )}
          </nav>
          <Share />
          <Commands cli={cli.filter(Boolean).join(' ')} name="findings/groups" question={question} />
        </>
      }
    >
      <FilterBar filters={filters} by={by} groups={groups ?? []} setOne={setOne} add={add} remove={remove} clear={clear} />
      <ErrorBox error={answer.error} what="Listing the findings" retry={() => answer.refetch()} />
      <FindingsIncomplete of={end?.coverage} />
      {!end && !answer.error && <Skeleton height="24rem" />}
      {end && (
        <div className={s.counts}>
          <p role="status" data-testid="findings-count">
            <b>{count(end.findings)}</b> {end.findings === 1 ? 'finding' : 'findings'} in <b>{count(end.groups)}</b> {end.groups === 1 ? 'group' : 'groups'}
          </p>
          <ul aria-label="Findings by severity">
            {severities.map((v) => {
              const n = end.severities.find((o) => o.value === v)?.count ?? 0
              return n > 0 ? (
                <li key={v}>
                  <Severity of={v} /> {count(n)}
                </li>
              ) : null
            })}
          </ul>
          <span className={s.new} role="status">
            {fresh > 0 && (
              <Button small icon="refresh" onClick={again} data-testid="new">
                {count(fresh)} new
              </Button>
            )}
          </span>
        </div>
      )}
      {groups && groups.length === 0 && end && (
        <Empty title={narrowed ? 'No finding meets these conditions' : 'Nothing was found'} complete={end.coverage.complete}>
          <p>
            {count(end.coverage.rules)} rules look at each event as it comes.{' '}
            {narrowed ? (
              <Button small onClick={clear}>
                Without these conditions
              </Button>
            ) : (
              <Link href={to.here('/rules')}>See what they look for</Link>
            )}
          </p>
        </Empty>
      )}
      {groups && groups.length > 0 && (
        <ol className={s.groups} aria-label="Findings in groups, the worst first" aria-busy={answer.isFetching || undefined}>
          {groups.map((g) => (
            <Group key={JSON.stringify(g.values)} group={g} filters={filters} range={range.of} open={open} toggle={toggle} add={add} />
          ))}
        </ol>
      )}
      {end && end.groups > most && <p className="soft">These are the {most} worst of {count(end.groups)} groups. Narrow them by the conditions above, or by the range.</p>}
      <FindingsCoverLine of={end?.coverage} n={end?.findings} />
    </Page>
  )
}
