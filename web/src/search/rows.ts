import type { Event } from '../api/types'
import type { Zone } from '../state/prefs'
import { dayWithName } from '../state/time'
import { keyOf } from './address'

// Rows are what the list shows: a day's heading, or a request, of which the stages that were loaded are one row.

export type Row =
  | { kind: 'day'; key: string; label: string }
  | { kind: 'event'; key: string; event: Event; stages: Event[]; of?: string }

const order: Record<string, number> = { Panic: 3, ResponseComplete: 2, ResponseStarted: 1, RequestReceived: 0 }

export function rowsOf(events: Event[], fold: boolean, unfolded: Set<string>, zone: Zone): Row[] {
  const requests: { event: Event; stages: Event[] }[] = []
  const known = new Map<string, { event: Event; stages: Event[] }>()
  for (const e of events) {
    const id = fold && e.auditID ? `${e.cluster}/${e.auditID}` : ''
    const there = id ? known.get(id) : undefined
    if (there) {
      there.stages.push(e)
      if ((order[e.stage ?? ''] ?? 0) > (order[there.event.stage ?? ''] ?? 0)) there.event = e
      continue
    }
    const request = { event: e, stages: [e] }
    requests.push(request)
    if (id) known.set(id, request)
  }
  const rows: Row[] = []
  let day = ''
  for (const { event, stages } of requests) {
    const label = dayWithName(new Date(event.time), zone)
    if (label !== day) {
      rows.push({ kind: 'day', key: `${label}·${rows.length}`, label })
      day = label
    }
    const key = keyOf(event)
    rows.push({ kind: 'event', key, event, stages })
    if (stages.length > 1 && unfolded.has(key)) for (const s of stages) if (s !== event) rows.push({ kind: 'event', key: keyOf(s), event: s, stages: [s], of: key })
  }
  return rows
}

export interface ColumnDef {
  key: string
  /** The search language's name, if it can be filtered by. */
  field?: string
  head: string
  width: string
  of: (e: Event) => string
}

export const columns: ColumnDef[] = [
  { key: 'user', field: 'user', head: 'User', width: 'minmax(9rem, 1.6fr)', of: (e) => e.user ?? '' },
  { key: 'as', field: 'as', head: 'Acting as', width: 'minmax(8rem, 1fr)', of: (e) => e.impersonatedUser ?? '' },
  { key: 'verb', field: 'verb', head: 'Verb', width: '5.5rem', of: (e) => e.verb ?? '' },
  { key: 'resource', field: 'resource', head: 'Resource', width: 'minmax(8rem, 1fr)', of: (e) => (e.resource ?? '') + (e.subresource ? `/${e.subresource}` : '') },
  { key: 'ns', field: 'ns', head: 'Namespace', width: 'minmax(6rem, .8fr)', of: (e) => e.namespace ?? '' },
  { key: 'name', field: 'name', head: 'Name', width: 'minmax(9rem, 1.4fr)', of: (e) => e.name ?? '' },
  { key: 'code', field: 'code', head: 'Status', width: '8.5rem', of: (e) => (e.code ? String(e.code) : '') },
  { key: 'ip', field: 'ip', head: 'From', width: '8.5rem', of: (e) => e.sourceIPs?.at(-1) ?? '' },
  { key: 'agent', field: 'agent', head: 'Client', width: 'minmax(9rem, 1.4fr)', of: (e) => e.userAgent ?? '' },
  { key: 'stage', field: 'stage', head: 'Stage', width: '9.5rem', of: (e) => e.stage ?? '' },
  { key: 'level', field: 'level', head: 'Level', width: '7.5rem', of: (e) => e.level ?? '' },
  { key: 'latency', head: 'Latency', width: '5.5rem', of: (e) => (e.latency === undefined ? '' : `${(e.latency * 1000).toFixed(1)} ms`) },
  { key: 'reason', field: 'reason', head: 'Why it was allowed', width: 'minmax(12rem, 2fr)', of: (e) => e.reason ?? '' },
  { key: 'cluster', field: 'cluster', head: 'Cluster', width: '7rem', of: (e) => e.cluster },
  { key: 'origin', field: 'origin', head: 'Origin', width: 'minmax(8rem, 1fr)', of: (e) => e.origin },
  { key: 'position', head: 'Position', width: '5.5rem', of: (e) => String(e.position) },
  { key: 'uri', field: 'requestURI', head: 'Request URI', width: 'minmax(14rem, 2.5fr)', of: (e) => e.requestURI ?? '' },
  { key: 'id', field: 'auditID', head: 'Audit ID', width: 'minmax(10rem, 1.6fr)', of: (e) => e.auditID ?? '' },
]

export const usual = ['user', 'verb', 'resource', 'ns', 'name', 'code', 'ip']
