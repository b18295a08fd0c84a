import { inert } from '../event/inert'
import s from './silences.module.css'

/** What a silence is about. */
export function Matchers({ of }: { of: Record<string, string> }) {
  return (
    <span className={s.matchers}>
      {Object.entries(of).map(([word, pattern]) => (
        <code key={word}>
          {word}: {inert(pattern)}
        </code>
      ))}
    </span>
  )
}
