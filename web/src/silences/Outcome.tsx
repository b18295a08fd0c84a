import type { AlertOutcome } from '../api/types.gen'
import { Icon, type IconName } from '../components'
import ui from '../components/ui.module.css'
import { inert } from '../event/inert'

const looks: Record<string, [IconName, string]> = {
  delivered: ['check', 'ok'],
  failed: ['alert', 'bad'],
  silenced: ['pause', 'info'],
  inhibited: ['minus', 'info'],
  throttled: ['clock', 'warn'],
  withdrawn: ['minus', 'info'],
}

/** How it ended with a finding and a destination. */
export function Outcome({ of }: { of: AlertOutcome }) {
  const [icon, tone] = looks[of.result] ?? ['info', 'info']
  return (
    <>
      <span className={ui.badge} data-tone={tone}>
        <Icon name={icon} size={11} />
        {of.result}
      </span>{' '}
      {of.reason && <span className="soft">{inert(of.reason)}</span>}
      {(of.attempts ?? 0) > 1 && <span className="soft"> after {of.attempts} attempts</span>}
    </>
  )
}
