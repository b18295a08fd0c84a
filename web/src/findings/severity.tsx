import type { DetectSeverity } from '../api/types.gen'
import s from './severity.module.css'

/** The worst first. */
export const severities: DetectSeverity[] = ['critical', 'high', 'medium', 'low', 'informational']

export const isSeverity = (v: unknown): v is DetectSeverity => severities.includes(v as DetectSeverity)

export const rankOf = (v: string) => severities.length - severities.indexOf(v as DetectSeverity)

// Each has a shape of its own, the more filled the worse, so that neither colour nor reading is needed to tell them apart.
const shapes: Record<DetectSeverity, string> = {
  critical: 'M8 .8l7.200 7.200L8 15.200.8 8z',
  high: 'M8 1.500L15 14H1z',
  medium: 'M2.500 2.500h11v11h-11z',
  low: 'M8 2.500a5.500 5.500 0 1 0 0 11 5.500 5.500 0 0 0 0-11z',
  informational: 'M2.500 8h11',
}

/** How bad it is: a shape and a word. */
export function Severity({ of, short }: { of: DetectSeverity; short?: boolean }) {
  const known = isSeverity(of) ? of : 'informational'
  return (
    <span className={s.severity} data-severity={known}>
      <svg width="11" height="11" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
        <path d={shapes[known]} />
      </svg>
      {short && known === 'informational' ? 'info' : known}
    </span>
  )
}
