import { useEffect, useState } from 'react'
import { Button } from '../components'
import { count } from '../state/time'
import { useTailEdge } from './address'
import css from './search.module.css'
import type { useTail } from './useTail'

/** How following goes: how fast events come, and what waits. */
export function TailBar({ tail, frozen, paused, onPause }: { tail: ReturnType<typeof useTail>; frozen: boolean; paused: boolean; onPause: () => void }) {
  const [edge, setEdge] = useTailEdge()
  // Said aloud every few seconds at most, so that it can be listened to.
  const [said, setSaid] = useState('')
  useEffect(() => {
    const t = setInterval(() => setSaid(frozen && tail.waiting ? `${tail.waiting} new events wait` : ''), 5000)
    return () => clearInterval(t)
  }, [frozen, tail.waiting])
  return (
    <p className={css.count} data-testid="tail">
      <span className={css.livedot} data-on={(tail.live && !frozen) || undefined} />
      <b>{tail.live ? (frozen ? 'Held' : 'Live') : 'Stopped'}</b>
      <span className="soft">
        {' '}
        · {tail.rate.toFixed(1)} a second · {count(tail.events.length)} shown
        {frozen && tail.waiting > 0 && ` · ${count(tail.waiting)} wait`}
        {tail.dropped > 0 && ` · ${count(tail.dropped)} more than there is room for: search for them`}
      </span>
      <Button small kind="quiet" icon={paused ? 'play' : 'pause'} aria-pressed={paused} onClick={onPause}>
        {paused ? 'Go on' : 'Pause'}
      </Button>
      <Button small kind="quiet" icon={edge === 'top' ? 'up' : 'down'} onClick={() => setEdge(edge === 'top' ? 'bottom' : 'top')}>
        Newest at {edge === 'top' ? 'top' : 'bottom'}
      </Button>
      <span role="status" aria-live="polite" className="visually-hidden">
        {said}
      </span>
    </p>
  )
}
