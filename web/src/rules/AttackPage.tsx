import { Link, useSearchParams } from 'wouter'
import { useAsk } from '../api/hooks'
import type { AttackEnd, AttackTechnique } from '../api/types.gen'
import { Commands, ErrorBox, Page, Panel, Share, Skeleton } from '../components'
import { inert } from '../event/inert'
import { FindingsCoverLine, FindingsIncomplete } from '../findings/Cover'
import { carried, useRange } from '../state/range'
import { count } from '../state/time'
import s from './rules.module.css'

/** What of ATT&CK is looked for, and what was found: tactics as columns, techniques as cells. */
export default function AttackPage() {
  const range = useRange()
  const answer = useAsk<AttackTechnique, AttackEnd>('rules/attack', range.of, { keep: true })
  const all = answer.data?.items ?? []
  const end = answer.data?.end
  const columns = (end?.tactics ?? []).map((t) => ({ ...t, cells: all.filter((x) => x.tactics.includes(t.id)).sort((a, b) => a.id.localeCompare(b.id)) })).filter((c) => c.cells.length > 0)
  const rows = Math.max(0, ...columns.map((c) => c.cells.length))
  const unseen = all.filter((t) => t.unseen)
  return (
    <Page
      title="ATT&CK map"
      about="Which techniques of MITRE ATT&CK the rules look for, and which were found in the range."
      crumbs={[['Rules', '/rules']]}
      actions={
        <>
          <Share />
          <Commands cli="annals rules list" name="rules/attack" question={range.of} />
        </>
      }
    >
      <ErrorBox error={answer.error} what="The map" retry={() => answer.refetch()} />
      <FindingsIncomplete of={end?.coverage} />
      {!end && !answer.error && <Skeleton height="30rem" />}
      {end && (
        <>
          <div className={s.legend}>
            <p role="status">
              <b>{count(end.covered)}</b> of {count(all.length)} techniques have a rule; <b>{count(end.fired)}</b> were found in this range.
            </p>
            <ul aria-label="What the looks of a cell mean">
              <li>
                <span className={s.key} data-state="fired" /> found in this range
              </li>
              <li>
                <span className={s.key} data-state="covered" /> looked for
              </li>
              <li>
                <span className={s.key} data-state="none" /> no rule
              </li>
              <li>
                <span className={s.key} data-state="unseen" /> no audit event can show it
              </li>
            </ul>
          </div>
          <div className={s.map} tabIndex={0} role="region" aria-label="The map">
            <table data-testid="attack">
              <caption className="visually-hidden">Techniques of ATT&CK by tactic</caption>
              <thead>
                <tr>
                  {columns.map((c) => (
                    <th key={c.id} scope="col">
                      {inert(c.name)}
                      <span>
                        {count(c.cells.filter((t) => t.rules.length > 0).length)} of {count(c.cells.length)}
                      </span>
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {Array.from({ length: rows }, (_, i) => (
                  <tr key={i}>
                    {columns.map((c) => (
                      <td key={c.id}>{c.cells[i] && <Cell technique={c.cells[i]} />}</td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {unseen.length > 0 && (
            <Panel title="What no audit event can show">
              <ul className={s.problems} data-testid="unseen">
                {unseen.map((t) => (
                  <li key={t.id}>
                    <b>{t.id}</b> {inert(t.name ?? '')}: <span className="soft">{inert(t.unseen!)}</span>
                    {t.rules.length > 0 && <span className="soft"> ({count(t.rules.length)} {t.rules.length === 1 ? 'rule looks' : 'rules look'} for what leads to it)</span>}
                  </li>
                ))}
              </ul>
            </Panel>
          )}
          <FindingsCoverLine of={end.coverage} unit="techniques" />
        </>
      )}
    </Page>
  )
}

function Cell({ technique: t }: { technique: AttackTechnique }) {
  const [params] = useSearchParams()
  const state = t.findings > 0 ? 'fired' : t.rules.length > 0 ? 'covered' : t.unseen ? 'unseen' : 'none'
  const to = new URLSearchParams(carried(params))
  to.set('technique', t.id)
  const text = (
    <>
      <b>{t.id}</b>
      <span>{inert(t.name ?? '')}</span>
      <small>
        {t.rules.length > 0 ? `${count(t.rules.length)} ${t.rules.length === 1 ? 'rule' : 'rules'}` : t.unseen ? 'cannot be seen' : 'no rule'}
        {t.findings > 0 && `, found ${t.findings === 1 ? 'once' : `${count(t.findings)} times`}`}
      </small>
    </>
  )
  return t.rules.length > 0 ? (
    <Link href={`/rules?${to}`} className={s.cell} data-state={state} data-sub={t.id.includes('.') || undefined}>
      {text}
    </Link>
  ) : (
    <span className={s.cell} data-state={state} data-sub={t.id.includes('.') || undefined} title={t.unseen && inert(t.unseen)}>
      {text}
    </span>
  )
}
