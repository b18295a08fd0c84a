import { useState } from 'react'
import { Link } from 'wouter'
import type { ActorCount } from '../api/types.gen'
import { Button, Time } from '../components'
import { inert } from '../event/inert'
import { useZone } from '../state/prefs'
import { count, full } from '../state/time'
import s from './actors.module.css'

interface Props {
  label: string
  values: ActorCount[]
  from?: string
  to?: string
  hrefOf: (v: ActorCount) => string
}

const few = 8

/** Values with the time from the first to the last request that had each. */
export function Spans({ label, values, from, to, hrefOf }: Props) {
  const [all, setAll] = useState(false)
  const [zone] = useZone()
  const begin = Date.parse(from ?? '')
  const whole = Math.max(1, Date.parse(to ?? '') - begin)
  const place = (t: string) => Math.max(0, Math.min(100, ((Date.parse(t) - begin) / whole) * 100))
  const shown = all ? values : values.slice(0, few)
  return (
    <div>
      <h3 className={s.spansHead}>{label}</h3>
      {values.length === 0 && <p className="soft">None recorded.</p>}
      <ul className={s.spans} aria-label={label}>
        {shown.map((v) => (
          <li key={v.value}>
            <span className={s.value}>
              <Link href={hrefOf(v)}>{inert(v.value) || 'none'}</Link>
            </span>
            <span className={s.lane} title={`${full(new Date(v.first), zone, false)} to ${full(new Date(v.last), zone, false)}`} aria-hidden="true">
              <span style={{ left: `${place(v.first)}%`, width: `${Math.max(0, place(v.last) - place(v.first))}%` }} />
            </span>
            <span className={s.when}>
              <Time at={v.first} as="minute" /> → <Time at={v.last} as="minute" />
            </span>
            <span className={s.count}>{count(v.count)}</span>
          </li>
        ))}
      </ul>
      {values.length > few && (
        <Button small kind="quiet" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? 'Fewer' : `All ${count(values.length)}`}
        </Button>
      )}
    </div>
  )
}
