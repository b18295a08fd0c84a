import type { Coverage } from '../api/types'
import { useZone } from '../state/prefs'
import { count, duration, minute } from '../state/time'
import { Icon } from './Icon'
import css from './ui.module.css'

/** What an answer covers: it stands under every table and chart. */
export function CoverageLine({ of, unit = 'events' }: { of: Coverage | undefined; unit?: string }) {
  const [zone] = useZone()
  if (!of) return null
  const at = (t: string | undefined, none: string) => (t && !t.startsWith('0001-') ? minute(new Date(t), zone) : none)
  const marked = [
    [of.truncated, 'truncated'],
    [of.salvaged, 'salvaged'],
    [of.quarantined, 'unreadable'],
    [of.conflicts, 'in conflict'],
  ] as const
  return (
    <div className={css.cover} data-testid="coverage">
      {of.complete ? (
        <span className={css.whole}>
          <Icon name="check" size={13} />
          Complete
        </span>
      ) : (
        <span className={css.notwhole}>
          <Icon name="alert" size={13} />
          Incomplete
        </span>
      )}
      <span>
        <b>{count(of.returned)}</b> {unit}
        {of.limitReached ? ', more match' : ''} · <b>{count(of.considered)}</b> considered
      </span>
      <span>
        {at(of.since, 'the first')} → {at(of.until, 'the newest')} {zone === 'utc' ? 'UTC' : 'local time'}
      </span>
      {of.clusters.length > 0 && <span>{of.clusters.map((c) => c.name).join(', ')}</span>}
      {marked.map(([n, word]) => n > 0 && <span key={word} className="warn">{`${count(n)} ${word}`}</span>)}
      {of.scope && (
        <span>
          only what meets <code>{of.scope}</code>
        </span>
      )}
      {of.withoutBodies && <span>without bodies</span>}
      <span>{duration(of.seconds)}</span>
    </div>
  )
}

/** Loud: an answer that is not the whole truth. Nothing is shown where it is. */
export function Incomplete({ of }: { of: Coverage | undefined }) {
  if (!of || of.complete) return null
  return (
    <div className={css.box} role="alert" data-testid="incomplete">
      <Icon name="alert" size={18} />
      <div>
        <strong>This answer is incomplete.</strong> Events that would match may be missing from it.
        {of.why && (
          <ul>
            {of.why.map((w) => (
              <li key={w}>{w}</li>
            ))}
          </ul>
        )}
      </div>
    </div>
  )
}
