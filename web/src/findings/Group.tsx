import { Link } from 'wouter'
import { useAsk } from '../api/hooks'
import type { Finding, FindingGroup, FindingsCover } from '../api/types.gen'
import type { Range } from '../api/types'
import { ErrorBox, Icon, Skeleton, Time } from '../components'
import { inert } from '../event/inert'
import { useTo } from '../event/paths'
import { count } from '../state/time'
import { type Filters, keyOfGroup, type Many, questionOfGroup } from './address'
import { FindingList } from './FindingList'
import s from './findings.module.css'
import { Severity } from './severity'
import { Spark } from './Spark'
import { Techniques } from './Techniques'

interface Props {
  group: FindingGroup
  filters: Filters
  range: Pick<Range, 'since' | 'until' | 'clusters'>
  open: ReadonlySet<string>
  toggle: (key: string) => void
  add: (name: Many, value: string) => void
}

/** Findings that have something in common; unfolded, each of them. */
export function Group({ group, filters, range, open, toggle, add }: Props) {
  const key = keyOfGroup(group)
  const opened = open.has(key)
  const title = inert(group.title || group.ruleName || group.values.rule || '')
  const whose = 'user' in group.values
  return (
    <li className={s.group} data-open={opened || undefined} data-testid="group">
      <div className={s.groupHead}>
        <Severity of={group.severity} />
        <h2 className={s.groupTitle}>
          <button type="button" aria-expanded={opened} onClick={() => toggle(key)}>
            <Icon name={opened ? 'chevron' : 'right'} size={12} />
            <span>{title}</span>
          </button>
        </h2>
        <span className={s.many}>
          <b>{count(group.count)}</b> <span className="visually-hidden">{group.count === 1 ? 'finding' : 'findings'}</span>
        </span>
        <Spark buckets={group.buckets} label={title} />
        <span className={s.when}>
          <Time at={group.first} as="minute" />
          {group.first.slice(0, 16) !== group.last.slice(0, 16) && (
            <>
              {' '}
              → <Time at={group.last} as="minute" />
            </>
          )}
        </span>
        <div className={s.groupFacts}>
          <Techniques of={group.techniques} />
          {whose ? (
            <span>
              by <Narrow name="user" value={group.values.user!} none="nobody that is known" add={add} /> in <Narrow name="ns" value={group.values.namespace!} none="no namespace" add={add} />
              {group.values.cluster && <> of {inert(group.values.cluster)}</>}
            </span>
          ) : (
            <>
              <Few word="by" name="user" values={group.users} none="nobody that is known" add={add} />
              <Few word="in" name="ns" values={group.namespaces} none="no namespace" add={add} />
            </>
          )}
        </div>
      </div>
      {opened && <Inside group={group} filters={filters} range={range} />}
    </li>
  )
}

function Few({ word, name, values, none, add }: { word: string; name: Many; values: { value: string; count: number }[] | null; none: string; add: Props['add'] }) {
  const shown = (values ?? []).slice(0, 3)
  if (shown.length === 0) return null
  const more = (values ?? []).length - shown.length
  return (
    <span>
      {word}{' '}
      {shown.map((v, i) => (
        <span key={v.value}>
          {i > 0 && ', '}
          <Narrow name={name} value={v.value} none={none} add={add} />
        </span>
      ))}
      {more > 0 && ` and ${more} more`}
    </span>
  )
}

function Narrow({ name, value, none, add }: { name: Many; value: string; none: string; add: Props['add'] }) {
  if (value === '') return <i>{none}</i>
  return (
    <button type="button" className={s.narrow} onClick={() => add(name, value)} title="Only these">
      {inert(value)}
    </button>
  )
}

const atOnce = 50

function Inside({ group, filters, range }: Pick<Props, 'group' | 'filters' | 'range'>) {
  const to = useTo()
  const answer = useAsk<Finding, FindingsCover>('findings', { ...range, ...questionOfGroup(filters, group), limit: atOnce })
  const items = answer.data?.items
  const rule = group.values.rule
  return (
    <div className={s.inside}>
      <ErrorBox error={answer.error} what="Listing them" retry={() => answer.refetch()} />
      {!items && !answer.error && <Skeleton height={`${Math.min(group.count, 6) * 2}rem`} />}
      {items && <FindingList findings={items} titled={false} label={`Findings: ${inert(group.title ?? '')}`} />}
      <p className={s.insideFoot}>
        {items && group.count > items.length && <span className="soft">The newest {count(items.length)} of {count(group.count)}. </span>}
        {rule && <Link href={to.here(`/rules/${encodeURIComponent(rule)}`)}>The rule</Link>}
      </p>
    </div>
  )
}
