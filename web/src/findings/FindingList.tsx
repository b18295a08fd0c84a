import { Link } from 'wouter'
import type { Finding } from '../api/types.gen'
import { Time } from '../components'
import { inert } from '../event/inert'
import { useTo } from '../event/paths'
import { findingPath } from './address'
import s from './findings.module.css'
import { Severity } from './severity'

interface Props {
  label: string
  findings: Finding[]
  /** Each with its severity. */
  titled?: boolean
  /** Where it leads, if not to the finding. */
  hrefOf?: (f: Finding) => string
}

/** Findings as sentences, each leading to all of it. */
export function FindingList({ label, findings, titled = true, hrefOf }: Props) {
  const to = useTo()
  return (
    <ol className={s.list} aria-label={label} data-testid="findings">
      {findings.map((f) => (
        <li key={f.id} data-withdrawn={f.withdrawn ? true : undefined}>
          <Time at={f.time} />
          {titled && <Severity of={f.severity} short />}
          <Link href={to.here(hrefOf?.(f) ?? findingPath(f.id))}>{inert(f.summary || f.title)}</Link>
          <span className={s.whereabouts}>
            {f.withdrawn && <b className="warn">withdrawn </b>}
            {[f.cluster, f.namespace].filter(Boolean).map((t) => inert(t!)).join(' / ')}
          </span>
        </li>
      ))}
    </ol>
  )
}
