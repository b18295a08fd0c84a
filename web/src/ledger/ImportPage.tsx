import { type DragEvent, useEffect, useRef, useState } from 'react'
import { Link } from 'wouter'
import { isAbort } from '../api/client'
import { useMe } from '../api/hooks'
import { Button, Commands, ErrorBox, Icon, Page, Panel, quote, Time } from '../components'
import { inert } from '../event/inert'
import { count } from '../state/time'
import s from './ledger.module.css'
import { type Imported, type Progress, upload } from './upload'

interface Job {
  id: number
  file: File
  state: 'waiting' | 'running' | 'done' | 'failed' | 'stopped'
  sent: number
  read?: Progress
  end?: Imported
  error?: Error
}

let next = 0

/** Bring in files from this machine, one after the other. */
export default function ImportPage() {
  const me = useMe()
  const [cluster, setCluster] = useState('')
  const [jobs, setJobs] = useState<Job[]>([])
  const [over, setOver] = useState(false)
  const picker = useRef<HTMLInputElement>(null)
  const running = useRef<AbortController>(undefined)
  useEffect(() => () => running.current?.abort(), [])
  const change = (id: number, to: Partial<Job>) => setJobs((all) => all.map((j) => (j.id === id ? { ...j, ...to } : j)))

  const busy = jobs.some((j) => j.state === 'running')
  const waiting = jobs.find((j) => j.state === 'waiting')
  useEffect(() => {
    if (busy || !waiting || !cluster) return
    const abort = new AbortController()
    running.current = abort
    change(waiting.id, { state: 'running' })
    upload(cluster, waiting.file, (sent, read) => change(waiting.id, { sent, read }), abort.signal)
      .then((end) => change(waiting.id, { state: end.failed.length ? 'failed' : 'done', end, error: end.failed[0] && new Error(end.failed[0].error) }))
      .catch((error: Error) => change(waiting.id, isAbort(error) ? { state: 'stopped' } : { state: 'failed', error }))
  }, [busy, waiting?.id, cluster])

  const add = (files: FileList | null) => setJobs((all) => [...all, ...[...(files ?? [])].map((file): Job => ({ id: next++, file, state: 'waiting', sent: 0 }))])
  const drop = (e: DragEvent) => {
    e.preventDefault()
    setOver(false)
    add(e.dataTransfer.files)
  }
  return (
    <Page
      title="Bring in files"
      about="Audit logs of any known dialect, compressed or not. What is there already is counted and not doubled."
      crumbs={[['Ledger', '/ledger']]}
      actions={<Commands cli={`annals import --cluster ${quote(cluster || 'NAME')} FILE…`} name="import" question={{ cluster: cluster || 'NAME', paths: ['/path/on/the/server'] }} />}
    >
      {me.data && !me.data.canImport ? (
        <p>Bringing in files is for the role admin; you are {me.data.role}.</p>
      ) : (
        <>
          <div className={s.importForm}>
            <label htmlFor="import-cluster">Cluster</label>
            <input id="import-cluster" list="import-clusters" value={cluster} onChange={(e) => setCluster(e.currentTarget.value)} placeholder="prod" spellCheck={false} autoComplete="off" required aria-describedby="import-about" />
            <datalist id="import-clusters">
              {me.data?.clusters.filter((c) => c !== 'annals').map((c) => <option key={c} value={c} />)}
            </datalist>
            <span id="import-about" className="soft">
              The name under which the events are kept; it is not taken from them.
            </span>
          </div>
          <div
            className={s.drop}
            data-over={over || undefined}
            onDragOver={(e) => {
              e.preventDefault()
              setOver(true)
            }}
            onDragLeave={() => setOver(false)}
            onDrop={drop}
          >
            <Icon name="up" size={22} />
            <p>Drag files here, or</p>
            <Button onClick={() => picker.current?.click()}>Choose files</Button>
            <input ref={picker} type="file" multiple hidden aria-label="Files" onChange={(e) => add(e.currentTarget.files)} data-testid="import-files" />
            {jobs.some((j) => j.state === 'waiting') && !cluster && (
              <p role="status" className="warn">
                Name the cluster, and they are read.
              </p>
            )}
          </div>
          <ul className={s.jobs} aria-label="Files">
            {jobs.map((j) => (
              <li key={j.id}>
                <JobView job={j} onStop={() => running.current?.abort()} cluster={cluster} />
              </li>
            ))}
          </ul>
        </>
      )}
    </Page>
  )
}

const states: Record<Job['state'], string> = { waiting: 'waits', running: 'is being read', done: 'is in', failed: 'could not be read to its end', stopped: 'was stopped' }

function JobView({ job, onStop, cluster }: { job: Job; onStop: () => void; cluster: string }) {
  const share = job.sent / Math.max(1, job.file.size)
  const sum = job.end?.summary
  return (
    <Panel
      title={inert(job.file.name)}
      tools={
        <span className={s.tools}>
          <span className="soft">{(job.file.size / 1e6).toLocaleString('en-GB', { maximumFractionDigits: 1 })} MB</span>
          <b role="status" className={job.state === 'done' ? 'ok' : job.state === 'failed' ? 'bad' : undefined}>
            {states[job.state]}
          </b>
          {job.state === 'running' && (
            <Button small icon="stop" onClick={onStop}>
              Stop
            </Button>
          )}
        </span>
      }
    >
      {job.state === 'running' && (
        <div className={s.progress}>
          <div role="progressbar" aria-label={`Sending ${job.file.name}`} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(share * 100)}>
            <span style={{ width: `${Math.min(100, share * 100)}%` }} />
          </div>
          <span className="soft">
            {Math.round(share * 100)} % sent{job.read && `, ${count(job.read.Events)} events read`}
          </span>
        </div>
      )}
      <ErrorBox error={job.error} what="Reading the file" />
      {sum && (
        <dl className={s.words}>
          <div>
            <dt>format</dt>
            <dd>{Object.keys(sum.Formats ?? {}).map(inert).join(', ') || 'none known'}</dd>
          </div>
          <div>
            <dt>events</dt>
            <dd>
              <b>{count(sum.New)}</b> new, {count(sum.Duplicates)} known already
              {sum.Salvaged > 0 && <span className="warn">, {count(sum.Salvaged)} salvaged from what was cut</span>}
              {sum.Conflicts > 0 && <span className="warn">, {count(sum.Conflicts)} in conflict with others</span>}
              {!sum.From.startsWith('0001') && (
                <>
                  , from <Time at={sum.From} as="minute" /> to <Time at={sum.Until} as="minute" />
                </>
              )}
              {job.state === 'done' && sum.New > 0 && !sum.From.startsWith('0001') && (
                <>
                  {' '}
                  · <Link href={`/search?${new URLSearchParams({ since: sum.From, until: new Date(Date.parse(sum.Until) + 1000).toISOString(), cluster })}`}>see them</Link>
                </>
              )}
            </dd>
          </div>
          {Object.entries(sum.Skipped ?? {}).length > 0 && (
            <div>
              <dt>passed over</dt>
              <dd>
                {Object.entries(sum.Skipped!)
                  .map(([kind, n]) => `${count(n)} ${inert(kind)}`)
                  .join(', ')}
              </dd>
            </div>
          )}
          {sum.Quarantined > 0 && (
            <div>
              <dt>unreadable</dt>
              <dd>
                <b className="bad">{count(sum.Quarantined)}</b> {sum.Quarantined === 1 ? 'piece; its' : 'pieces; their'} bytes are kept.
                <ul>
                  {(sum.Examples ?? []).map((e) => (
                    <li key={e}>
                      <code>{inert(e)}</code>
                    </li>
                  ))}
                </ul>
              </dd>
            </div>
          )}
        </dl>
      )}
    </Panel>
  )
}
