import { type FormEvent, useEffect, useId, useState } from 'react'
import type { FindingGroup } from '../api/types.gen'
import { Button, Icon } from '../components'
import { inert } from '../event/inert'
import { type Filters, type Grouping, type Many, many } from './address'
import s from './findings.module.css'
import { severities } from './severity'

interface Props {
  filters: Filters
  by: Grouping
  /** What is shown, for what can be chosen. */
  groups: FindingGroup[]
  setOne: (name: 'severity' | 'q' | 'by', value: string) => void
  add: (name: Many, value: string) => void
  remove: (name: Many, value: string) => void
  clear: () => void
}

const words: Record<Many, string> = { rule: 'Rule', technique: 'Technique', user: 'User', ns: 'Namespace' }

/** Which findings are shown, and how they are put together. */
export function FilterBar({ filters, by, groups, setOne, add, remove, clear }: Props) {
  const id = useId()
  const [field, setField] = useState<Many>('rule')
  const [value, setValue] = useState('')
  const [search, setSearch] = useState(filters.q)
  useEffect(() => setSearch(filters.q), [filters.q])
  const known: Record<Many, [string, string][]> = {
    rule: [...new Map(groups.filter((g) => g.ruleName).map((g) => [g.ruleName!, g.title ?? ''])).entries()],
    technique: texts(groups.flatMap((g) => g.techniques ?? [])),
    user: texts(groups.flatMap((g) => (g.users ?? []).map((v) => v.value))),
    ns: texts(groups.flatMap((g) => (g.namespaces ?? []).map((v) => v.value))),
  }
  const submit = (e: FormEvent) => {
    e.preventDefault()
    if (value.trim()) add(field, value.trim())
    setValue('')
  }
  const chips = many.flatMap((name) => filters[name].map((v) => [name, v] as const))
  const titleOf = (name: Many, v: string) => (name === 'rule' ? (groups.find((g) => g.values.rule === v || g.ruleName === v)?.ruleName ?? v) : v)
  return (
    <section className={`${s.filters} no-print`} aria-label="Which findings">
      <label>
        Severity
        <select value={filters.severity ?? ''} onChange={(e) => setOne('severity', e.target.value)}>
          <option value="">any</option>
          {severities.slice(0, -1).map((v) => (
            <option key={v} value={v}>
              {v === 'critical' ? v : `${v} or worse`}
            </option>
          ))}
        </select>
      </label>
      <label>
        Together by
        <select value={by} onChange={(e) => setOne('by', e.target.value === 'rule' ? '' : e.target.value)}>
          <option value="rule">rule</option>
          <option value="who">rule, cluster, namespace and user</option>
        </select>
      </label>
      <form onSubmit={submit} className={s.condition} aria-label="One more condition">
        <label>
          Only of
          <select value={field} onChange={(e) => setField(e.target.value as Many)}>
            {many.map((m) => (
              <option key={m} value={m}>
                {words[m].toLowerCase()}
              </option>
            ))}
          </select>
        </label>
        <label className={s.grow}>
          <span className="visually-hidden">{words[field]}</span>
          <input type="text" value={value} onChange={(e) => setValue(e.target.value)} list={`${id}-known`} placeholder={words[field]} aria-label={words[field]} autoComplete="off" spellCheck={false} />
        </label>
        <datalist id={`${id}-known`}>
          {known[field].map(([v, about]) => (
            <option key={v} value={v}>
              {inert(about)}
            </option>
          ))}
        </datalist>
        <Button type="submit" icon="plus">
          Add
        </Button>
      </form>
      <form
        className={s.condition}
        aria-label="Search in findings"
        onSubmit={(e) => {
          e.preventDefault()
          setOne('q', search.trim())
        }}
      >
        <label className={s.grow}>
          Search
          <input type="text" value={search} onChange={(e) => setSearch(e.target.value)} placeholder="verb:create peer:203.0.113.0/24" autoComplete="off" spellCheck={false} className={s.mono} />
        </label>
        <Button type="submit" icon="search">
          Search
        </Button>
      </form>
      {(chips.length > 0 || filters.q) && (
        <ul className={s.chips} aria-label="Conditions">
          {chips.map(([name, v]) => (
            <li key={name + v}>
              {words[name]} <b>{inert(titleOf(name, v))}</b>
              <button type="button" aria-label={`Remove ${words[name].toLowerCase()} ${inert(v)}`} onClick={() => remove(name, v)}>
                <Icon name="close" size={11} />
              </button>
            </li>
          ))}
          {filters.q && (
            <li>
              <code>{inert(filters.q)}</code>
              <button type="button" aria-label="Remove the search" onClick={() => setOne('q', '')}>
                <Icon name="close" size={11} />
              </button>
            </li>
          )}
          <li data-plain>
            <Button small kind="quiet" onClick={clear}>
              Remove all
            </Button>
          </li>
        </ul>
      )}
    </section>
  )
}

const texts = (all: string[]): [string, string][] => [...new Set(all)].filter(Boolean).map((v) => [v, ''])
