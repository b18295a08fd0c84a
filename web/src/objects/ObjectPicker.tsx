import { Switch } from '@mantine/core'
import { type FormEvent, useMemo, useState } from 'react'
import { Link, useLocation } from 'wouter'
import { useAsk, useMe } from '../api/hooks'
import type { Coverage, Event } from '../api/types.gen'
import { Button, CoverageLine, DataTable, Empty, ErrorBox, Incomplete, Page, Panel, Sentence, Skeleton, Time } from '../components'
import { inert } from '../event/inert'
import { type ObjectAt, objectOf, objectPath, useTo } from '../event/paths'
import { term } from '../state/query'
import { isBoolean, usePref } from '../state/prefs'
import { useRange } from '../state/range'
import { Complete } from './Complete'
import s from './objects.module.css'

const changes = 'verb:(create OR update OR patch OR delete) code<400 name:* -subresource:* -resource:(leases OR events OR endpointslices OR tokenreviews OR subjectaccessreviews)'

/** Which object: by name, or one that changed lately. */
export function ObjectPicker() {
  const me = useMe()
  const range = useRange()
  const [, go] = useLocation()
  const to = useTo()
  const [cluster, setCluster] = useState('')
  const [resource, setResource] = useState('')
  const [namespace, setNamespace] = useState('')
  const [name, setName] = useState('')
  const clusters = me.data?.clusters.filter((c) => c !== 'annals') ?? []
  const of = (...terms: string[]) => ({ query: terms.filter(Boolean).join(' '), clusters: cluster ? [cluster] : range.of.clusters })
  const [plural = '', group] = split(resource)
  const resourceTerm = plural && term('resource', plural)

  const submit = (e: FormEvent) => {
    e.preventDefault()
    if (!plural || !name) return
    go(to.here(objectPath({ cluster: cluster || (clusters.length === 1 ? clusters[0]! : ''), resource: plural, apiGroup: group, namespace, name })))
  }
  return (
    <Page title="Objects" about="Every version of an object that was seen: who made it, from where, and what it changed.">
      <Panel title="Find an object">
        <form className={s.form} onSubmit={submit} data-testid="object-form">
          {clusters.length > 1 && (
            <div className={s.select}>
              <label htmlFor="object-cluster">Cluster</label>
              <select id="object-cluster" value={cluster} onChange={(e) => setCluster(e.currentTarget.value)}>
                <option value="">Whichever has it</option>
                {clusters.map((c) => (
                  <option key={c}>{c}</option>
                ))}
              </select>
            </div>
          )}
          <Complete label="Resource" field="resource" of={of()} value={resource} onChange={setResource} required placeholder="deployments" about="A plural, deploy, or a kind" />
          <Complete label="Namespace" field="ns" of={of(resourceTerm)} value={namespace} onChange={setNamespace} placeholder="none" about="Empty for cluster-wide ones" />
          <Complete label="Name" field="name" of={of(resourceTerm, namespace && term('ns', namespace))} value={name} onChange={setName} required placeholder="web" />
          <Button kind="primary" type="submit" disabled={!resource || !name} className={s.submit}>
            Show its history
          </Button>
        </form>
      </Panel>
      <Recent />
    </Page>
  )
}

function split(resource: string): [string, string | undefined] {
  const dot = resource.indexOf('.')
  return dot < 0 ? [resource.trim(), undefined] : [resource.slice(0, dot).trim(), resource.slice(dot + 1).trim()]
}

interface Changed {
  at: ObjectAt
  last: Event
  times: number
}

/** What changed lately, each object once. */
function Recent() {
  const range = useRange()
  const to = useTo()
  const [people, setPeople] = usePref('changedByPeople', false, isBoolean)
  const query = people ? `${changes} -user:system:*` : changes
  const answer = useAsk<Event, Coverage>('events', { query, ...range.of, limit: 500, detail: 'summary' }, { keep: true })
  const rows = useMemo(() => {
    const by = new Map<string, Changed>()
    for (const e of answer.data?.items ?? []) {
      const at = objectOf(e)
      if (!at) continue
      const key = objectPath(at)
      const there = by.get(key)
      if (there) there.times++
      else by.set(key, { at, last: e, times: 1 })
    }
    return [...by.values()].slice(0, 50)
  }, [answer.data])
  const cover = answer.data?.end
  const several = rows.some((r) => r.at.cluster !== rows[0]?.at.cluster)
  return (
    <Panel
      title="Changed last"
      flush
      tools={
        <span className={s.tools}>
          <Switch size="xs" label="By people only" checked={people} onChange={(e) => setPeople(e.currentTarget.checked)} />
          <span className="soft">{range.label}</span>
        </span>
      }
    >
      <div className={s.inset}>
        <ErrorBox error={answer.error} retry={() => answer.refetch()} />
        <Incomplete of={cover} />
      </div>
      {answer.isPending && <Skeleton height="14rem" />}
      {cover && rows.length === 0 && <Empty title="No object changed in this range" search={query} complete={cover.complete} />}
      {rows.length > 0 && (
        <DataTable
          caption="Objects that changed last"
          rows={rows}
          id={(r) => objectPath(r.at)}
          columns={[
            { key: 'object', head: 'Object', header: true, by: (r) => r.at.name, cell: (r) => <Link href={to.here(objectPath(r.at))}>{inert(`${r.at.resource}/${r.at.name}`)}</Link> },
            { key: 'ns', head: 'Namespace', by: (r) => r.at.namespace ?? '', cell: (r) => inert(r.at.namespace ?? '') || <span className="soft">cluster-wide</span> },
            ...(several ? [{ key: 'cluster', head: 'Cluster', by: (r: Changed) => r.at.cluster, cell: (r: Changed) => inert(r.at.cluster) }] : []),
            { key: 'time', head: 'Last change', by: (r) => r.last.time, cell: (r) => <Time at={r.last.time} as="minute" /> },
            { key: 'what', head: 'What happened', cell: (r) => <span className={s.cell}><Sentence event={r.last} /></span> },
            { key: 'times', head: 'Changes', align: 'right', by: (r) => r.times, cell: (r) => r.times },
          ]}
        />
      )}
      <div className={s.inset}>
        <CoverageLine of={cover} unit="changes" />
      </div>
    </Panel>
  )
}
