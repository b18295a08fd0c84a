import { useElementSize } from '@mantine/hooks'
import { useMemo } from 'react'
import type { ObjectVersion } from '../api/types.gen'
import { inert } from '../event/inert'
import { useZone } from '../state/prefs'
import { day, full, minute } from '../state/time'
import s from './objects.module.css'

interface Props {
  versions: ObjectVersion[]
  /** Where the axis ends: a state that lasts reaches it. */
  end: number
  even: boolean
  from?: number
  to?: number
  onPick: (number: number) => void
}

/** Each version as a bar as long as it lasted. The table of versions says the same in words. */
export function RevisionBars({ versions, end, even, from, to, onPick }: Props) {
  const { ref, width } = useElementSize()
  const [zone] = useZone()
  const bars = useMemo(() => layout(versions, end, even), [versions, end, even])
  if (versions.length === 0) return null
  const first = Date.parse(versions[0]!.time)
  const ticks = even ? [] : ticksOf(first, end, Math.max(2, Math.min(8, Math.floor(width / 140))))
  return (
    <div className={s.bars} ref={ref} role="img" aria-label={`${versions.length} versions on a time axis; the table of versions says the same`} data-testid="revision-bars">
      <div className={s.track}>
        {bars.map((b) => (
          <span
            key={b.version.number}
            className={s.bar}
            data-known={b.version.known}
            data-missed={b.version.missed || undefined}
            data-other={b.other || undefined}
            data-to={b.version.number === to || undefined}
            data-from={b.version.number === from || undefined}
            title={`#${b.version.number} · ${b.version.known} · ${full(new Date(b.version.time), zone, false)}\n${inert(b.version.summary)}`}
            style={{ left: `${b.left * 100}%`, width: `${b.width * 100}%` }}
            onClick={() => onPick(b.version.number)}
          >
            {b.width * width > 26 && <span>{b.version.number}</span>}
          </span>
        ))}
      </div>
      <div className={s.axis}>
        {even ? (
          <>
            <span style={{ left: 0 }}>{minute(new Date(first), zone)}</span>
            <span style={{ right: 0 }}>{minute(new Date(end), zone)}</span>
          </>
        ) : (
          ticks.filter((t) => (t.at - first) / (end - first) < 0.95).map((t) => (
            <span key={t.at} data-tick style={{ left: `${((t.at - first) / (end - first)) * 100}%` }}>
              {t.whole ? day(new Date(t.at), zone) : minute(new Date(t.at), zone).slice(-5)}
            </span>
          ))
        )}
      </div>
    </div>
  )
}

interface Bar {
  version: ObjectVersion
  left: number
  width: number
  other: boolean
}

function layout(versions: ObjectVersion[], end: number, even: boolean): Bar[] {
  const first = Date.parse(versions[0]?.time ?? '')
  const whole = Math.max(1, end - first)
  return versions.map((version, i) => {
    const next = versions[i + 1]
    const other = i > 0 && !!version.uid && !!versions[i - 1]?.uid && version.uid !== versions[i - 1]?.uid
    if (even) return { version, left: i / versions.length, width: 1 / versions.length, other }
    const at = Date.parse(version.time)
    const until = next ? Date.parse(next.time) : end
    return { version, left: (at - first) / whole, width: Math.max(0, until - at) / whole, other }
  })
}

/** crowded tells whether so many bars are too narrow to be seen that they had better be of one width. */
export function crowded(versions: ObjectVersion[], end: number): boolean {
  return layout(versions, end, false).filter((b) => b.width < 0.006).length * 3 > versions.length
}

const steps = [60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400, 14 * 86400, 30 * 86400, 90 * 86400, 365 * 86400].map((x) => x * 1000)

export function ticksOf(from: number, to: number, most: number): { at: number; whole: boolean }[] {
  const step = steps.find((x) => (to - from) / x <= most) ?? steps.at(-1)!
  const ticks = []
  for (let at = Math.ceil(from / step) * step; at <= to && ticks.length < 50; at += step) ticks.push({ at, whole: at % 86_400_000 === 0 })
  return ticks
}
