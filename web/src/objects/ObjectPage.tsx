import { SegmentedControl, Switch } from '@mantine/core'
import { lazy, Suspense, useEffect } from 'react'
import { Link, useSearchParams } from 'wouter'
import { useAsk } from '../api/hooks'
import type { ObjectLife, ObjectVersion } from '../api/types.gen'
import { Commands, CoverageLine, Empty, ErrorBox, Incomplete, KeyHint, Page, Panel, quote, Skeleton, Time } from '../components'
import { inert } from '../event/inert'
import { actorPath, eventPath, type ObjectAt, useTo } from '../event/paths'
import { useKeys } from '../state/keys'
import { term } from '../state/query'
import { useRange } from '../state/range'
import { KnownBadge, Legend } from './known'
import s from './objects.module.css'
import { crowded, RevisionBars } from './RevisionBars'
import { useWholeRange } from './whole'

const DiffView = lazy(() => import('./DiffView'))
const BlameView = lazy(() => import('./BlameView'))
const WholeView = lazy(() => import('./WholeView'))

type View = 'diff' | 'blame' | 'whole'

/** The life of one object. */
export default function ObjectPage({ at }: { at: ObjectAt }) {
  const ready = useWholeRange()
  const range = useRange()
  const [params, setParams] = useSearchParams()
  const to = useTo()
  const on = (name: string) => params.get(name) === '1'
  const set = (changes: Record<string, string | undefined>) =>
    setParams(
      (p) => {
        for (const [k, v] of Object.entries(changes)) v === undefined ? p.delete(k) : p.set(k, v)
        return p
      },
      { replace: true },
    )
  const question = {
    cluster: at.cluster,
    resource: at.resource,
    apiGroup: at.apiGroup,
    namespace: at.namespace,
    name: at.name,
    since: range.of.since,
    until: range.of.until,
    managedFields: on('managedFields'),
    status: on('status'),
    reads: on('reads'),
  }
  const answer = useAsk<never, ObjectLife>('objects/history', question, { enabled: ready, keep: true })
  const life = answer.data?.end
  const versions = life?.versions ?? []
  const last = versions.at(-1)
  const number = (name: string, fallback: number | undefined) => {
    const n = Number(params.get(name))
    return versions.some((v) => v.number === n) ? n : fallback
  }
  const after = number('b', last?.number)
  const before = number('a', versions[Math.max(0, versions.findIndex((v) => v.number === after) - 1)]?.number)
  const view = (['diff', 'blame', 'whole'] as const).find((v) => v === params.get('view')) ?? 'diff'
  const end = Math.max(range.until ? Date.parse(range.until) : Math.min(range.now, last ? Date.parse(last.time) + 3600_000 : range.now), last ? Date.parse(last.time) + 1000 : 0)
  const even = params.has('even') ? on('even') : crowded(versions, end)

  const move = (by: number) => {
    const i = versions.findIndex((v) => v.number === after)
    const next = versions[i + by]
    if (next) set({ b: String(next.number), a: undefined })
  }
  useKeys([
    { keys: '[', about: 'The version before', group: 'Object', run: () => move(-1) },
    { keys: ']', about: 'The next version', group: 'Object', run: () => move(1) },
  ])

  const kindName = `${at.apiGroup ? `${at.resource}.${at.apiGroup}` : at.resource}/${at.name}`
  const cli = [
    `annals ${view === 'diff' ? 'diff' : view === 'blame' ? 'blame' : 'history'} ${quote(view === 'diff' && before && after ? `${kindName}@${before}..${after}` : kindName)}`,
    at.namespace && `-n ${quote(at.namespace)}`,
    at.cluster && `--cluster ${quote(at.cluster)}`,
    on('managedFields') && '--managed-fields',
    on('status') && '--status',
    on('reads') && '--reads',
    range.of.since && `--since ${range.of.since}`,
    range.of.until && `--until ${range.of.until}`,
  ]
  const search = [term('resource', at.resource), at.namespace && term('ns', at.namespace), term('name', at.name)].filter(Boolean).join(' ')
  return (
    <Page
      title={inert(at.name)}
      about={
        <>
          {inert(at.apiGroup ? `${at.resource}.${at.apiGroup}` : at.resource)} {at.namespace ? <>in {inert(at.namespace)}</> : 'cluster-wide'}
          {(life?.ref.cluster || at.cluster) && <>, cluster {inert(life?.ref.cluster || at.cluster)}</>}
          {versions[0] && last && (
            <>
              {' '}
              · {versions.length === 1 ? '1 version' : `${versions.length} versions`}, <Time at={versions[0].time} as="minute" /> to <Time at={last.time} as="minute" />
            </>
          )}
        </>
      }
      crumbs={[['Objects', '/objects']]}
      actions={
        <>
          <Link href={to.search(search, { ...range.of, clusters: at.cluster ? [at.cluster] : undefined })} className={s.aside}>
            All its events
          </Link>
          <Commands
            cli={cli.filter(Boolean).join(' ')}
            name={view === 'diff' ? 'objects/diff' : view === 'blame' ? 'objects/blame' : 'objects/history'}
            question={view === 'diff' ? { ...question, from: before, to: after } : question}
          />
        </>
      }
    >
      <ErrorBox error={answer.error} what="The history" retry={() => answer.refetch()} />
      <Incomplete of={life?.coverage} />
      {!life && !answer.error && <Skeleton height="22rem" />}
      {life && versions.length === 0 && (
        <Empty title="No version of this object was seen" search={search} complete={life.coverage?.complete}>
          <p>Changes are seen where the audit policy records its writes at all; what they changed, where it records bodies.</p>
          {life.notes?.map((note) => !note.startsWith('nothing was found by') && <p key={note}>{inert(note)}</p>)}
        </Empty>
      )}
      {last && (
        <>
          <Panel
            title="Revisions"
            tools={
              <div className={s.tools}>
                <SegmentedControl
                  size="xs"
                  aria-label="Width of the bars"
                  value={even ? 'even' : 'time'}
                  onChange={(v) => set({ even: v === 'even' ? '1' : '0' })}
                  data={[
                    { value: 'time', label: 'By time' },
                    { value: 'even', label: 'Evenly' },
                  ]}
                />
                <Switch size="xs" label="status" checked={on('status')} onChange={(e) => set({ status: e.currentTarget.checked ? '1' : undefined })} />
                <Switch size="xs" label="managedFields" checked={on('managedFields')} onChange={(e) => set({ managedFields: e.currentTarget.checked ? '1' : undefined })} />
                <Switch size="xs" label="seen in reads" checked={on('reads')} onChange={(e) => set({ reads: e.currentTarget.checked ? '1' : undefined })} />
              </div>
            }
          >
            <RevisionBars versions={versions} end={end} even={even} from={view === 'diff' ? before : undefined} to={after} onPick={(n) => set({ b: String(n), a: undefined })} />
            <Legend />
            <Versions versions={versions} before={before} after={after} set={set} to={to.here} />
            <CoverageLine of={life?.coverage} />
          </Panel>
          <Panel
            title={{ diff: 'Difference', blame: 'Who set each line', whole: 'One version' }[view]}
            tools={
              <div className={s.tools}>
                <span className={`soft ${s.keys}`}>
                  <KeyHint keys="[" /> <KeyHint keys="]" /> move between versions
                </span>
                <SegmentedControl
                  size="xs"
                  aria-label="What is shown of the versions"
                  value={view}
                  onChange={(v) => set({ view: v === 'diff' ? undefined : v })}
                  data={[
                    { value: 'diff', label: 'Diff' },
                    { value: 'blame', label: 'Blame' },
                    { value: 'whole', label: 'YAML' },
                  ]}
                />
              </div>
            }
          >
            <Suspense fallback={<Skeleton height="22rem" />}>
              <Shown view={view} question={question} versions={versions} before={before} after={after} />
            </Suspense>
          </Panel>
        </>
      )}
    </Page>
  )
}

function Shown({ view, question, versions, before, after }: { view: View; question: object; versions: ObjectVersion[]; before?: number; after?: number }) {
  const version = versions.find((v) => v.number === after)
  if (view === 'blame') return <BlameView question={question} />
  if (view === 'whole' || versions.length === 1 || before === after) return version ? <WholeView version={version} /> : null
  return <DiffView question={{ ...question, from: before, to: after }} />
}

interface VersionsProps {
  versions: ObjectVersion[]
  before?: number
  after?: number
  set: (changes: Record<string, string | undefined>) => void
  to: (path: string) => string
}

/** The versions, the newest first, with which two are compared. */
function Versions({ versions, before, after, set, to }: VersionsProps) {
  useEffect(() => {
    document.querySelector(`[data-version="${after}"]`)?.scrollIntoView({ block: 'nearest' })
  }, [after])
  return (
    <div className={s.versions} role="region" aria-label="Versions" tabIndex={0} data-testid="versions">
      <table>
        <caption className="visually-hidden">Versions, the newest first</caption>
        <thead>
          <tr>
            <th scope="col">From</th>
            <th scope="col">To</th>
            <th scope="col">#</th>
            <th scope="col">When</th>
            <th scope="col">Who</th>
            <th scope="col">What changed</th>
            <th scope="col">Known</th>
          </tr>
        </thead>
        <tbody>
          {[...versions].reverse().map((v) => (
            <tr key={v.number} data-version={v.number} aria-selected={v.number === after} data-missed={v.missed || undefined}>
              <td>
                <input type="radio" name="from" aria-label={`Compare from version ${v.number}`} checked={v.number === before} onChange={() => set({ a: String(v.number), b: String(after) })} />
              </td>
              <td>
                <input type="radio" name="to" aria-label={`Compare to version ${v.number}`} checked={v.number === after} onChange={() => set({ b: String(v.number), a: undefined })} />
              </td>
              <th scope="row">{v.number}</th>
              <td>
                <Link href={to(eventPath(v.event.cluster, v.event.position))}>
                  <Time at={v.time} />
                </Link>
              </td>
              <td className={s.who}>{v.event.user ? <Link href={to(actorPath(v.event.user))}>{inert(v.event.user)}</Link> : <span className="soft">unknown</span>}</td>
              <td className={s.what}>
                {inert(v.summary)}
                {v.missed && <span className="warn"> · a version before this one was missed</span>}
              </td>
              <td>
                <KnownBadge version={v} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
