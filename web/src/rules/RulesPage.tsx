import { lazy, Suspense, useMemo } from 'react'
import { Link, useParams, useSearchParams } from 'wouter'
import { useAsk } from '../api/hooks'
import type { RulesEnd, RuleState } from '../api/types.gen'
import { Button, Commands, DataTable, Empty, ErrorBox, Icon, Page, Panel, Share, Skeleton, Time } from '../components'
import { inert } from '../event/inert'
import { segmentOf, useTo } from '../event/paths'
import { findingsHref, rulePath } from '../findings/address'
import { FindingsCoverLine, FindingsIncomplete } from '../findings/Cover'
import { languages } from '../findings/RuleText'
import { rankOf, Severity, severities } from '../findings/severity'
import { carried, useRange } from '../state/range'
import { count } from '../state/time'
import { Problems } from './Problems'
import s from './rules.module.css'

const RulePage = lazy(() => import('./RulePage'))

/** /rules, and /rules/ID */
export default function RulesPage() {
  const id = segmentOf(useParams()['*'] ?? '')
  if (!id) return <List />
  return (
    <Suspense
      fallback={
        <Page title="Rule">
          <Skeleton height="24rem" />
        </Page>
      }
    >
      <RulePage key={id} id={id} />
    </Suspense>
  )
}

const atOnce = 150

/** What is looked for. Which rules are shown stands in the address: q, severity, language, tactic, technique, state, all. */
function List() {
  const range = useRange()
  const to = useTo()
  const [params, setParams] = useSearchParams()
  const answer = useAsk<RuleState, RulesEnd>('rules', range.of, { keep: true })
  const rules = answer.data?.items
  const end = answer.data?.end
  const get = (name: string) => params.get(name) ?? ''
  const set = (name: string, value: string) =>
    setParams(
      (p) => {
        value ? p.set(name, value) : p.delete(name)
        return p
      },
      { replace: true },
    )
  const [q, severity, language, tactic, technique, state] = ['q', 'severity', 'language', 'tactic', 'technique', 'state'].map(get) as [string, string, string, string, string, string]
  const shown = useMemo(() => {
    const words = q.toLowerCase().split(/\s+/).filter(Boolean)
    return (rules ?? [])
      .filter((r) => {
        if (severity && r.severity !== severity) return false
        if (language && r.language !== language) return false
        if (tactic && !r.tactics?.includes(tactic)) return false
        if (technique && !r.techniques?.some((t) => t === technique || t.startsWith(`${technique}.`))) return false
        if (state && !isIn(state, r)) return false
        const text = `${r.title} ${r.ruleName} ${r.id} ${r.about ?? ''} ${r.techniques?.join(' ') ?? ''} ${r.file ?? ''}`.toLowerCase()
        return words.every((w) => text.includes(w))
      })
      .sort((a, b) => rankOf(b.severity) - rankOf(a.severity) || b.findings - a.findings || a.title.localeCompare(b.title))
  }, [rules, q, severity, language, tactic, technique, state])
  const tactics = useMemo(() => [...new Set((rules ?? []).flatMap((r) => r.tactics ?? []))].sort(), [rules])
  const spoken = useMemo(() => [...new Set((rules ?? []).map((r) => r.language))], [rules])
  const all = get('all') === '1'
  const select = (name: string, label: string, options: [string, string][]) => (
    <label>
      {label}
      <select value={get(name)} onChange={(e) => set(name, e.target.value)}>
        <option value="">any</option>
        {options.map(([v, text]) => (
          <option key={v} value={v}>
            {text}
          </option>
        ))}
      </select>
    </label>
  )
  return (
    <Page
      title="Rules"
      about="What is looked for in each event as it comes."
      actions={
        <>
          <Link href={to.here('/attack')} className={s.aside}>
            ATT&CK map
          </Link>
          <Share />
          <Commands cli="annals rules list" name="rules" question={range.of} />
        </>
      }
    >
      <section className={`${s.filters} no-print`} aria-label="Which rules">
        <label className={s.grow}>
          Words
          <input type="search" value={q} onChange={(e) => set('q', e.target.value)} placeholder="secrets, T1611, exec" autoComplete="off" spellCheck={false} />
        </label>
        {select('severity', 'Severity', severities.map((v) => [v, v]))}
        {select('language', 'Language', spoken.map((l) => [l, languages[l] ?? l]))}
        {select('tactic', 'Tactic', tactics.map((t) => [t, t.replaceAll('-', ' ')]))}
        {select('state', 'State', [
          ['fired', 'found something'],
          ['silent', 'found nothing'],
          ['problems', 'with problems'],
          ['off', 'switched off'],
          ['saved', 'saved here'],
        ])}
        {technique && (
          <Button onClick={() => set('technique', '')} aria-label={`Remove technique ${inert(technique)}`}>
            Technique {inert(technique)} <Icon name="close" size={12} />
          </Button>
        )}
      </section>
      <ErrorBox error={answer.error} what="Listing the rules" retry={() => answer.refetch()} />
      <FindingsIncomplete of={end?.coverage} />
      {end?.trouble && (
        <p className="bad" role="alert">
          The rules could not be read anew, and those of before are used: {inert(end.trouble)}
        </p>
      )}
      {end && end.problems.length > 0 && (
        <Panel title={end.problems.length === 1 ? '1 problem of no rule that is used' : `${end.problems.length} problems of no rule that is used`}>
          <Problems of={end.problems} />
        </Panel>
      )}
      {!rules && !answer.error && <Skeleton height="24rem" />}
      {rules && (
        <p role="status" data-testid="rules-count">
          <b>{count(shown.length)}</b> of {count(rules.length)} rules
        </p>
      )}
      {rules && shown.length === 0 && (
        <Empty title={rules.length === 0 ? 'There are no rules' : 'No rule is like that'} ranged={false}>
          <Link href={`/rules${carried(params)}`}>All rules</Link>
        </Empty>
      )}
      {shown.length > 0 && (
        <DataTable
          caption="Rules, the worst first"
          rows={all ? shown : shown.slice(0, atOnce)}
          id={(r) => r.id}
          columns={[
            { key: 'severity', head: 'Severity', by: (r) => rankOf(r.severity), cell: (r) => <Severity of={r.severity} short /> },
            {
              key: 'title',
              head: 'Rule',
              header: true,
              by: (r) => r.title,
              cell: (r) => (
                <span className={s.rule}>
                  <Link href={to.here(rulePath(r.id))}>{inert(r.title)}</Link>
                  {r.about && <span>{inert(r.about)}</span>}
                </span>
              ),
            },
            {
              key: 'techniques',
              head: 'Techniques',
              by: (r) => r.techniques?.[0] ?? '',
              cell: (r) => <span className={s.codes}>{r.techniques?.map(inert).join(' ')}</span>,
            },
            { key: 'language', head: 'Written in', by: (r) => r.language, cell: (r) => languages[r.language] ?? r.language },
            {
              key: 'findings',
              head: 'Findings',
              align: 'right',
              by: (r) => r.findings,
              cell: (r) => (r.findings > 0 ? <Link href={findingsHref(new URLSearchParams(carried(params)), { rule: r.id })}>{count(r.findings)}</Link> : <span className="soft">0</span>),
            },
            { key: 'last', head: 'Last', by: (r) => r.last ?? '', cell: (r) => (r.findings > 0 ? <Time at={r.last} as="minute" /> : null) },
            { key: 'state', head: 'State', by: stateOf, cell: (r) => <State of={r} /> },
          ]}
        />
      )}
      {shown.length > atOnce && !all && (
        <div>
          <Button onClick={() => set('all', '1')}>All {count(shown.length)}</Button>
        </div>
      )}
      <FindingsCoverLine of={end?.coverage} unit="rules listed" n={shown.length} />
    </Page>
  )
}

function isIn(state: string, r: RuleState): boolean {
  switch (state) {
    case 'fired':
      return r.findings > 0
    case 'silent':
      return r.findings === 0
    case 'problems':
      return (r.problems?.length ?? 0) > 0
    case 'off':
      return !r.on
    case 'saved':
      return !!r.saved
  }
  return true
}

const stateOf = (r: RuleState) => (!r.on ? 'off' : r.silent ? 'helps others' : 'on')

function State({ of }: { of: RuleState }) {
  const n = of.problems?.length ?? 0
  return (
    <span className={s.state}>
      {stateOf(of)}
      {of.saved && <span className="soft">saved here</span>}
      {n > 0 && (
        <span className="warn">
          <Icon name="alert" size={12} /> {n === 1 ? '1 problem' : `${n} problems`}
        </span>
      )}
    </span>
  )
}
