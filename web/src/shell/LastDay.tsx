import { Button, Icon } from '../components'
import { useZone } from '../state/prefs'
import { useRange } from '../state/range'
import { full } from '../state/time'
import css from './shell.module.css'

/** Says that the range nobody chose is the last day of the record, since the record ends before today. */
export function LastDay() {
  const range = useRange()
  const [zone] = useZone()
  if (!range.ended) return null
  return (
    <div className={css.ended} role="status" data-testid="last-day">
      <span>
        <Icon name="clock" size={14} /> <b>The newest event is from {full(new Date(range.ended), zone, false)}.</b> You see the last day of the record.
      </span>
      <span className="no-print">
        <Button small onClick={() => range.setLast('24h')}>
          Last 24 hours until now
        </Button>{' '}
        <Button small onClick={() => range.setLast('all')}>
          Everything
        </Button>
      </span>
    </div>
  )
}
