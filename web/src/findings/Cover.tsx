import type { FindingsCover } from '../api/types.gen'
import { Icon } from '../components'
import ui from '../components/ui.module.css'
import { inert } from '../event/inert'
import { useZone } from '../state/prefs'
import { count, duration, minute } from '../state/time'

/** What an answer about findings covers: it stands under every list of them. */
export function FindingsCoverLine({ of, unit = 'findings', n }: { of: FindingsCover | undefined; unit?: string; n?: number }) {
  const [zone] = useZone()
  if (!of) return null
  const at = (t: string | undefined, none: string) => (t && !t.startsWith('0001-') ? minute(new Date(t), zone) : none)
  const behind = of.watched.reduce((sum, w) => sum + (w.behind ?? 0), 0)
  return (
    <div className={ui.cover} data-testid="findings-cover">
      <span className={of.complete ? ui.whole : ui.notwhole}>
        <Icon name={of.complete ? 'check' : 'alert'} size={13} />
        {of.complete ? 'Complete' : 'Incomplete'}
      </span>
      <span>
        <b>{count(n ?? of.returned)}</b> {unit}
        {of.limitReached ? ', there are more' : ''}
      </span>
      <span>
        <b>{count(of.rules)}</b> rules watch {of.watched.length > 0 ? of.watched.map((w) => inert(w.cluster)).join(', ') : 'no cluster yet'}
        {behind > 0 && <span className="warn">, {count(behind)} events not looked at yet</span>}
      </span>
      <span>
        {at(of.since, 'the first')} → {at(of.until, 'the newest')} {zone === 'utc' ? 'UTC' : 'local time'}
      </span>
      {of.scope && (
        <span>
          only what meets <code>{of.scope}</code>
        </span>
      )}
      {of.withoutBodies && <span>none of rules that look at bodies, which your token does not show</span>}
      <span>{duration(of.seconds)}</span>
    </div>
  )
}

/** Loud: there may be findings that are not shown. */
export function FindingsIncomplete({ of }: { of: FindingsCover | undefined }) {
  if (!of || of.complete) return null
  return (
    <div className={ui.box} role="alert" data-testid="incomplete">
      <Icon name="alert" size={18} />
      <div>
        <strong>This answer is incomplete.</strong> There may be findings that it does not show.
        {of.why && (
          <ul>
            {of.why.map((w) => (
              <li key={w}>{inert(w)}</li>
            ))}
          </ul>
        )}
      </div>
    </div>
  )
}
