import { Link } from 'wouter'
import { DataTable } from '../components'
import { inert } from '../event/inert'
import { useTo } from '../event/paths'
import { addTerm } from '../state/query'
import { count } from '../state/time'
import s from './ask.module.css'

/** How many events have these values of the fields that a question counts by. */
export interface Group {
  values: string[]
  count: number
}

interface Props {
  by: string[]
  groups: Group[]
  search: string
  range: { since?: string; until?: string; clusters?: string[] }
}

/** Counts by fields: each row leads to its events. */
export function Groups({ by, groups, search, range }: Props) {
  const to = useTo()
  const most = Math.max(1, ...groups.map((g) => g.count))
  const of = (g: Group) => by.reduce((q, field, i) => addTerm(q, field, g.values[i] ?? ''), search)
  return (
    <DataTable
      caption={`Events counted by ${by.join(', ')}`}
      rows={groups}
      id={(g) => g.values.join('\n')}
      columns={[
        ...by.map((field, i) => ({
          key: field,
          head: field,
          header: i === 0,
          by: (g: Group) => g.values[i] ?? '',
          cell: (g: Group) => <span className={s.breaks}>{g.values[i] ? inert(g.values[i]) : <i className="soft">none</i>}</span>,
        })),
        {
          key: 'count',
          head: 'Events',
          align: 'right' as const,
          by: (g: Group) => g.count,
          cell: (g: Group) => <Link href={to.search(of(g), range)}>{count(g.count)}</Link>,
        },
        {
          key: 'share',
          head: <span className="visually-hidden">As a bar</span>,
          width: '30%',
          cell: (g: Group) => (
            <span className={s.share} aria-hidden="true">
              <span style={{ width: `${Math.max(0.5, (g.count / most) * 100)}%` }} />
            </span>
          ),
        },
      ]}
    />
  )
}
