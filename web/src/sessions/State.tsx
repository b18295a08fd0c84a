import type { Session } from '../api/types.gen'
import { Icon, type IconName } from '../components'
import type { useTo } from '../event/paths'
import { quoted } from '../state/query'
import s from './sessions.module.css'

const states: Record<string, { icon: IconName; tone: string; about: string }> = {
  denied: { icon: 'stop', tone: 'bad', about: 'It was refused' },
  failed: { icon: 'alert', tone: 'warn', about: 'It was let in but did not come about' },
  open: { icon: 'live', tone: 'info', about: 'Nothing says that it ended' },
  ended: { icon: 'check', tone: 'ok', about: 'It began and ended' },
  unknown: { icon: 'help', tone: 'none', about: 'The events do not tell how it went' },
}

export function State({ session }: { session: Session }) {
  const st = states[session.state] ?? states.unknown!
  return (
    <span className={s.state} data-tone={st.tone} title={st.about}>
      <Icon name={st.icon} size={12} />
      {session.state}
    </span>
  )
}

/** What was run, as somebody would type it. */
export function commandOf(x: Session): string {
  if (x.command?.length) return x.command.map((w) => (/^[\w@%+=:,./-]+$/.test(w) ? w : `'${w.replaceAll("'", `'\\''`)}'`)).join(' ')
  if (x.path) return x.path
  if (x.ports?.length) return `ports ${x.ports.join(', ')}`
  if (x.image) return `image ${x.image}`
  return ''
}

/** What whoever had the session did in it, and in the hour behind it. */
export function afterSession(x: Session, to: ReturnType<typeof useTo>): string {
  const end = Date.parse(x.end && !x.end.startsWith('0001') ? x.end : x.start)
  return to.search(`(user:${quoted(x.user)} OR as:${quoted(x.user)})`, { since: x.start, until: new Date(end + 3600_000).toISOString(), clusters: [x.cluster] })
}
