import { Link } from 'wouter'
import type { Session } from '../api/types.gen'
import { DataTable, Time } from '../components'
import { cut, inert } from '../event/inert'
import { actorPath, eventPath, objectPath, useTo } from '../event/paths'
import { duration } from '../state/time'
import { afterSession, commandOf, State } from './State'
import s from './sessions.module.css'

/** Sessions, the newest first. */
export function SessionTable({ sessions }: { sessions: Session[] }) {
  const to = useTo()
  const targetOf = (x: Session) => {
    const [resource = '', name = ''] = x.target.split('/')
    return name ? objectPath({ cluster: x.cluster, resource, namespace: x.namespace, name }) : undefined
  }
  return (
    <DataTable
      caption="Sessions, the newest first"
      rows={sessions}
      id={(x) => `${x.cluster}/${x.auditID}/${x.positions[0]}`}
      columns={[
        {
          key: 'start',
          head: 'Began',
          by: (x) => x.start,
          cell: (x) => (
            <Link href={to.here(eventPath(x.cluster, x.positions.at(-1) ?? 0))}>
              <Time at={x.start} />
            </Link>
          ),
        },
        { key: 'state', head: 'State', by: (x) => x.state, cell: (x) => <State session={x} /> },
        { key: 'kind', head: 'Kind', by: (x) => x.kind, cell: (x) => x.kind },
        {
          key: 'user',
          head: 'Who',
          header: true,
          by: (x) => x.user,
          cell: (x) => (
            <span className={s.who}>
              {x.user ? <Link href={to.here(actorPath(x.user))}>{inert(x.user)}</Link> : <i>not known</i>}
              {x.as && <> as {inert(x.as)}</>}
            </span>
          ),
        },
        {
          key: 'target',
          head: 'Where',
          by: (x) => `${x.namespace}/${x.target}`,
          cell: (x) => {
            const path = targetOf(x)
            const text = inert(x.target)
            return (
              <span className={s.breaks}>
                {path ? <Link href={to.here(path)}>{text}</Link> : text}
                {x.namespace && <span className="soft"> in {inert(x.namespace)}</span>}
                {x.container && <span className="soft">, container {inert(x.container)}</span>}
              </span>
            )
          },
        },
        {
          key: 'command',
          head: 'Command',
          cell: (x) => {
            const text = commandOf(x)
            return text ? (
              <>
                <code className={s.command} title={inert(cut(text, 2000))}>
                  {inert(cut(text, 400))}
                  {text.length > 400 && '…'}
                </code>
                {(x.tty || x.stdin) && <span className="soft"> {[x.tty && 'tty', x.stdin && 'stdin'].filter(Boolean).join(', ')}</span>}
              </>
            ) : (
              <span className="soft">none recorded</span>
            )
          },
        },
        {
          key: 'duration',
          head: 'Lasted',
          align: 'right',
          by: (x) => x.seconds ?? -1,
          cell: (x) => <span className={s.whole}>{x.seconds !== undefined ? duration(x.seconds) : x.state === 'open' ? 'still open' : 'unknown'}</span>,
        },
        { key: 'from', head: 'From', by: (x) => x.from ?? '', cell: (x) => inert(x.from ?? '') || <span className="soft">unknown</span> },
        {
          key: 'after',
          head: 'Next',
          cell: (x) => (x.user ? <Link className={s.whole} href={afterSession(x, to)} aria-label={`What ${inert(x.user)} did in and after this session`}>What they did</Link> : null),
        },
      ]}
    />
  )
}
