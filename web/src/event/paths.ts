import { useSearchParams } from 'wouter'
import type { Event } from '../api/types.gen'
import { carried } from '../state/range'

// The addresses of what can be pointed at. A segment that would be empty is "-": no name or namespace of Kubernetes is.

const segment = (s: string | undefined) => (s ? encodeURIComponent(s) : '-')

export const eventPath = (cluster: string, position: number) => `/event/${segment(cluster)}/${position}`

export interface ObjectAt {
  cluster: string
  resource: string
  apiGroup?: string
  namespace?: string
  name: string
}

export const objectPath = (o: ObjectAt) =>
  `/objects/${segment(o.cluster)}/${segment(o.apiGroup ? `${o.resource}.${o.apiGroup}` : o.resource)}/${segment(o.namespace)}/${segment(o.name)}`

/** What a segment of an address says. */
export function segmentOf(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

export const actorPath = (user: string) => `/actors/${segment(user)}`

/** The object that an event is about, if it is about one. */
export function objectOf(e: Event): ObjectAt | undefined {
  if (!e.resource || !e.name) return undefined
  return { cluster: e.cluster, resource: e.resource, apiGroup: e.apiGroup, namespace: e.namespace, name: e.name }
}

/** Addresses that keep the range and the clusters. */
export function useTo() {
  const [params] = useSearchParams()
  const rest = carried(params)
  return {
    here: (path: string) => path + rest,
    search: (q: string, range?: { since?: string; until?: string; clusters?: string[] }) => {
      const to = new URLSearchParams(range ? undefined : rest)
      if (range) {
        if (range.since) to.set('since', range.since)
        if (range.until) to.set('until', range.until)
        if (!range.since && !range.until) to.set('last', 'all')
        for (const c of range.clusters ?? []) to.append('cluster', c)
      }
      if (q) to.set('q', q)
      return `/search?${to}`
    },
  }
}
