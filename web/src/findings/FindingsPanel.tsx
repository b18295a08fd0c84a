import { Link, useSearchParams } from 'wouter'
import { useAsk } from '../api/hooks'
import type { DetectSeverity, FindingGroup, FindingGroupsEnd } from '../api/types.gen'
import type { Range } from '../api/types'
import { ErrorBox, Panel, Skeleton } from '../components'
import { inert } from '../event/inert'
import { count } from '../state/time'
import { findingPath, findingsHref } from './address'
import { FindingsIncomplete } from './Cover'
import s from './findings.module.css'
import { Severity, severities } from './severity'
import { useTo } from '../event/paths'

interface Props {
  title: string
  range: Pick<Range, 'since' | 'until' | 'clusters'>
  /** This or worse. */
  severity?: DetectSeverity
  user?: string
}

/** The worst of what was found, in a few lines. */
export function FindingsPanel({ title, range, severity, user }: Props) {
  const to = useTo()
  const [params] = useSearchParams()
  const answer = useAsk<FindingGroup, FindingGroupsEnd>('findings/groups', { ...range, severity, users: user === undefined ? undefined : [user], by: ['rule'], limit: 5 }, { keep: true })
  const groups = answer.data?.items ?? []
  const end = answer.data?.end
  const conditions = { severity, user }
  return (
    <Panel title={title} tools={<Link href={findingsHref(params, conditions)}>{end ? `All ${count(end.findings)} findings${severity ? `, ${severity} or worse` : ''}` : 'All findings'}</Link>} flush>
      <div data-testid="findings-panel">
        <ErrorBox error={answer.error} what="Listing the findings" retry={() => answer.refetch()} />
        <FindingsIncomplete of={end?.coverage} />
        {!end && !answer.error && <Skeleton height="8rem" />}
        {end && end.findings === 0 && (
          <p className={`soft ${s.inset}`}>
            Nothing{severity && ` of ${severity} severity or worse`} in this range. {count(end.coverage.rules)} rules looked at {end.coverage.watched.map((w) => inert(w.cluster)).join(', ') || 'no cluster yet'}.
          </p>
        )}
        {end && end.findings > 0 && (
          <>
            <ul className={s.panelCounts} aria-label="Findings by severity">
              {severities.map((v) => {
                const n = end.severities.find((o) => o.value === v)?.count ?? 0
                return n > 0 ? (
                  <li key={v}>
                    <Link href={findingsHref(params, { ...conditions, severity: v })}>
                      <Severity of={v} /> {count(n)}
                    </Link>
                  </li>
                ) : null
              })}
            </ul>
            <ul className={s.top} aria-label="The worst">
              {groups.map((g) => (
                <li key={g.latest}>
                  <Severity of={g.severity} />
                  <Link href={g.count === 1 ? to.here(findingPath(g.latest)) : findingsHref(params, { ...conditions, rule: g.values.rule })}>{inert(g.title || g.ruleName || '')}</Link>
                  <b>{count(g.count)}</b>
                </li>
              ))}
            </ul>
          </>
        )}
      </div>
    </Panel>
  )
}
