import type { Session } from '../api/types.gen'
import { Icon, type IconName } from '../components'
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
