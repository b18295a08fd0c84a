import { Link, useSearchParams } from 'wouter'
import { inert } from '../event/inert'
import { findingsHref } from './address'
import s from './findings.module.css'

/** Techniques of ATT&CK; each leads to the findings of it. */
export function Techniques({ of }: { of?: string[] }) {
  const [params] = useSearchParams()
  if (!of || of.length === 0) return null
  return (
    <ul className={s.techniques} aria-label="Techniques of ATT&CK">
      {of.map((t) => (
        <li key={t}>
          <Link href={findingsHref(params, { technique: t })}>{inert(t)}</Link>
        </li>
      ))}
    </ul>
  )
}
