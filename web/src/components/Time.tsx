import { Tooltip } from '@mantine/core'
import { useZone } from '../state/prefs'
import { clock, full, minute, relative } from '../state/time'
import css from './ui.module.css'

interface Props {
  at: string | Date | undefined
  /** full: day, time, zone; clock: the time alone; minute: to the minute; ago: how long since. */
  as?: 'full' | 'clock' | 'minute' | 'ago'
}

/** A time as the header's switch says; on hover in both zones, and how long ago. */
export function Time({ at, as = 'full' }: Props) {
  const [zone] = useZone()
  const d = at instanceof Date ? at : at ? new Date(at) : undefined
  if (!d || Number.isNaN(d.getTime()) || d.getUTCFullYear() < 2) return <span className="soft">unknown</span>
  const text = as === 'ago' ? relative(d) : as === 'clock' ? clock(d, zone) : as === 'minute' ? minute(d, zone) : full(d, zone)
  return (
    <Tooltip
      label={
        <span className={css.tip}>
          <span>{full(d, 'utc')}</span>
          <span>{relative(d)}</span>
          <span>{full(d, 'local')}</span>
          <span>here</span>
        </span>
      }
      events={{ hover: true, focus: true, touch: true }}
    >
      <time dateTime={d.toISOString()} className={css.time}>
        {text}
      </time>
    </Tooltip>
  )
}
