import { useAsk } from '../api/hooks'
import type { RuleState } from '../api/types.gen'
import { inert } from '../event/inert'
import s from './silences.module.css'

/** What a silence is about. Rules stand in it by their IDs, and are shown by their names. */
export function Matchers({ of }: { of: Record<string, string> }) {
  const id = of.rule ?? ''
  const rule = useAsk<never, RuleState>('rules/rule', { id }, { enabled: /^[\w-]{8,}$/.test(id) }).data?.end
  return (
    <span className={s.matchers}>
      {Object.entries(of).map(([word, pattern]) => (
        <code key={word} title={word === 'rule' ? inert(pattern) : undefined}>
          {word}: {inert((word === 'rule' && rule?.ruleName) || pattern)}
        </code>
      ))}
    </span>
  )
}
