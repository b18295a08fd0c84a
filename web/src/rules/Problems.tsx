import type { DetectProblem } from '../api/types.gen'
import { Icon } from '../components'
import { inert } from '../event/inert'
import s from './rules.module.css'

const tones: Record<string, string> = { error: 'bad', warning: 'warn', note: 'soft' }

/** What is wrong with rules, or with what they can find. */
export function Problems({ of }: { of: DetectProblem[] }) {
  return (
    <ul className={s.problems} data-testid="problems">
      {of.map((p, i) => (
        <li key={i}>
          <b className={tones[p.kind] ?? 'soft'}>
            <Icon name={p.kind === 'note' ? 'info' : 'alert'} size={12} /> {p.kind}
          </b>{' '}
          {inert(p.message)}{' '}
          {p.file && (
            <code className="soft">
              {inert(p.file)}
              {p.line ? `:${p.line}` : ''}
            </code>
          )}
        </li>
      ))}
    </ul>
  )
}
