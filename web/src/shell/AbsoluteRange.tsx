import { type FormEvent, useState } from 'react'
import { Button } from '../components'
import { type Zone, useZone } from '../state/prefs'
import { clock, day } from '../state/time'
import css from './shell.module.css'

interface Props {
  since?: string
  until?: string
  now: number
  onChoose: (since?: string, until?: string) => void
}

const written = (t: Date, zone: Zone) => `${day(t, zone)}T${clock(t, zone, false)}`

/** What stands in a datetime field is a time in the zone that is shown. */
function read(text: string, zone: Zone): string | undefined {
  if (!text) return undefined
  const t = new Date(zone === 'utc' ? `${text}Z` : text)
  return Number.isNaN(t.getTime()) ? undefined : t.toISOString()
}

/** From one time to another. */
export default function AbsoluteRange({ since, until, now, onChoose }: Props) {
  const [zone] = useZone()
  const [from, setFrom] = useState(() => (since ? written(new Date(since), zone) : ''))
  const [to, setTo] = useState(() => written(new Date(until ?? now), zone))
  const wrong = from && to && from >= to ? 'The end must lie behind the start.' : ''
  const choose = (e: FormEvent) => {
    e.preventDefault()
    if (!wrong) onChoose(read(from, zone), read(to, zone))
  }
  const name = zone === 'utc' ? 'UTC' : 'local time'
  return (
    <form className={css.absolute} onSubmit={choose}>
      <label>
        From ({name})
        <input type="datetime-local" step="1" value={from} onChange={(e) => setFrom(e.target.value)} />
      </label>
      <label>
        Until, excluded ({name})
        <input type="datetime-local" step="1" value={to} onChange={(e) => setTo(e.target.value)} aria-invalid={!!wrong} aria-describedby="range-wrong" />
      </label>
      <p id="range-wrong" className="bad" role="alert">
        {wrong}
      </p>
      <Button kind="primary" type="submit" disabled={!!wrong}>
        Use this range
      </Button>
    </form>
  )
}
