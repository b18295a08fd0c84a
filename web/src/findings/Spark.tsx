import { count } from '../state/time'
import s from './findings.module.css'

/** How often over the range, as little bars; what it says in words is beside it in the row. */
export function Spark({ buckets, label }: { buckets: number[]; label: string }) {
  const most = Math.max(1, ...buckets)
  const busiest = buckets.indexOf(Math.max(...buckets))
  const wide = 100 / Math.max(1, buckets.length)
  return (
    <svg className={s.spark} viewBox="0 0 100 24" preserveAspectRatio="none" role="img" aria-label={`${label}: at most ${count(most)} at a time, in part ${busiest + 1} of ${buckets.length} of the range`}>
      <path d="M0 23.500h100" className={s.sparkLine} />
      {buckets.map((n, i) => n > 0 && <rect key={i} x={i * wide + 0.4} width={Math.max(0.8, wide - 0.8)} y={23 - Math.max(2, (n / most) * 22)} height={Math.max(2, (n / most) * 22)} />)}
    </svg>
  )
}
