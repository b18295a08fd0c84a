import { useCallback, useMemo } from 'react'
import { useSearchParams } from 'wouter'
import type { DetectSeverity, FindingGroup } from '../api/types.gen'
import { carried } from '../state/range'
import { isSeverity } from './severity'

// Which findings a screen shows stands in its address, next to the range: severity, rule, technique, user, ns (each as often as need
// be, but for severity), q (a search over who did what), by (how they are grouped) and open (the groups that are unfolded).

export const many = ['rule', 'technique', 'user', 'ns'] as const
export type Many = (typeof many)[number]

export interface Filters {
  severity?: DetectSeverity
  rule: string[]
  technique: string[]
  user: string[]
  ns: string[]
  q: string
}

/** How findings are put together. */
export const groupings = {
  rule: ['rule'],
  who: ['rule', 'cluster', 'namespace', 'user'],
} as const
export type Grouping = keyof typeof groupings

export function filtersOf(params: URLSearchParams): Filters {
  const severity = params.get('severity')
  return {
    severity: isSeverity(severity) ? severity : undefined,
    rule: params.getAll('rule'),
    technique: params.getAll('technique'),
    user: params.getAll('user'),
    ns: params.getAll('ns'),
    q: params.get('q') ?? '',
  }
}

const some = (all: string[]) => (all.length > 0 ? all : undefined)

/** The members of a question that say which findings it is about. */
export function questionOf(f: Filters) {
  return { query: f.q || undefined, severity: f.severity, rules: some(f.rule), users: some(f.user), namespaces: some(f.ns), techniques: some(f.technique) }
}

/** The same for the findings of one group. Where the group has no user or namespace, its findings have none. */
export function questionOfGroup(f: Filters, group: FindingGroup) {
  const question = questionOf(f)
  const none: string[] = []
  const { rule, cluster, namespace, user } = group.values
  if (rule) question.rules = [rule]
  if (user) question.users = [user]
  if (user === '') none.push('user:""')
  if (namespace) question.namespaces = [namespace]
  if (namespace === '') none.push('ns:""')
  if (none.length > 0) question.query = `${f.q ? `(${f.q}) ` : ''}${none.join(' ')}`
  return { ...question, ...(cluster ? { clusters: [cluster] } : {}) }
}

/** What names a group in an address: short, whatever an attacker called themselves. */
export function keyOfGroup(g: FindingGroup): string {
  let hash = 0x811c9dc5
  for (const c of JSON.stringify(Object.entries(g.values).sort())) hash = Math.imul(hash ^ c.codePointAt(0)!, 0x01000193) >>> 0
  return hash.toString(36)
}

export function useFilters() {
  const [params, setParams] = useSearchParams()
  const text = params.toString()
  const filters = useMemo(() => filtersOf(new URLSearchParams(text)), [text])
  const by: Grouping = params.get('by') === 'who' ? 'who' : 'rule'
  const open = useMemo(() => new Set(new URLSearchParams(text).getAll('open')), [text])
  const change = useCallback(
    (f: (p: URLSearchParams) => void) =>
      setParams((p) => {
        f(p)
        return p
      }),
    [setParams],
  )
  return {
    filters,
    by,
    open,
    setOne: useCallback((name: 'severity' | 'q' | 'by', value: string) => change((p) => (value ? p.set(name, value) : p.delete(name))), [change]),
    add: useCallback((name: Many, value: string) => change((p) => p.getAll(name).includes(value) || p.append(name, value)), [change]),
    remove: useCallback((name: Many, value: string) => change((p) => p.delete(name, value)), [change]),
    clear: useCallback(() => change((p) => ['severity', 'q', ...many].forEach((n) => p.delete(n))), [change]),
    toggle: useCallback(
      (key: string) =>
        setParams(
          (p) => {
            p.getAll('open').includes(key) ? p.delete('open', key) : p.append('open', key)
            return p
          },
          { replace: true },
        ),
      [setParams],
    ),
  }
}

export const findingPath = (id: string) => `/findings/${encodeURIComponent(id)}`
export const rulePath = (id: string) => `/rules/${encodeURIComponent(id)}`

/** The address of the findings that meet some conditions, in the range that is shown. */
export function findingsHref(params: URLSearchParams, conditions: Partial<Record<Many | 'severity' | 'q' | 'by', string>>): string {
  const to = new URLSearchParams(carried(params))
  for (const [name, value] of Object.entries(conditions)) if (value) to.set(name, value)
  const rest = to.toString()
  return `/findings${rest && `?${rest}`}`
}
