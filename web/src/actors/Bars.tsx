import type { ReactNode } from 'react'
import { Link } from 'wouter'
import { inert } from '../event/inert'
import { count } from '../state/time'
import s from './actors.module.css'

interface Bar {
  value: string
  count: number
}

interface Props<T extends Bar> {
  label: string
  values: T[]
  hrefOf?: (v: T) => string | undefined
  shown?: (v: T) => ReactNode
  /** Beside the count. */
  beside?: (v: T) => ReactNode
  more?: number
}

/** Counts as a list of bars: the number stands beside each, so that the length is never all there is. */
export function Bars<T extends Bar>({ label, values, hrefOf, shown, beside, more }: Props<T>) {
  const most = Math.max(1, ...values.map((v) => v.count))
  return (
    <ul className={s.list} aria-label={label}>
      {values.map((v) => {
        const href = hrefOf?.(v)
        const text = shown?.(v) ?? (v.value === '' ? <i>none</i> : inert(v.value))
        return (
          <li key={v.value}>
            <span className={s.fill} style={{ width: `${Math.max(0.5, (v.count / most) * 100)}%` }} aria-hidden="true" />
            <span className={s.value}>{href ? <Link href={href}>{text}</Link> : text}</span>
            {beside && <span className={s.beside}>{beside(v)}</span>}
            <span className={s.count}>{count(v.count)}</span>
          </li>
        )
      })}
      {!!more && <li className="soft">and {count(more)} more</li>}
    </ul>
  )
}
