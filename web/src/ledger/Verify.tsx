import { useEffect, useRef, useState } from 'react'
import { ask, isAbort } from '../api/client'
import type { LedgerReport, VerifyProgress } from '../api/types.gen'
import { Button, Commands, DataTable, ErrorBox, Icon, Panel } from '../components'
import { inert } from '../event/inert'
import { count } from '../state/time'
import s from './ledger.module.css'

type State = { phase: 'idle' | 'stopped' } | { phase: 'running'; progress?: VerifyProgress } | { phase: 'done'; report: LedgerReport } | { phase: 'failed'; error: Error }

const kinds: Record<string, string> = {
  tampered: 'Bytes are not what was recorded',
  missing: 'Events that there must be are not there',
  'bad signature': 'Something is not signed by the ledger’s key',
  unverifiable: 'There is nothing to hold it against',
}

/** Hold the whole record against its signatures, and say in plain words what came of it. */
export function Verify({ onDone }: { onDone: () => void }) {
  const [state, setState] = useState<State>({ phase: 'idle' })
  const [said, setSaid] = useState('')
  const running = useRef<AbortController>(undefined)
  useEffect(() => () => running.current?.abort(), [])
  const run = async () => {
    const abort = new AbortController()
    running.current = abort
    setState({ phase: 'running' })
    setSaid('Verifying')
    let last = 0
    try {
      const { end } = await ask<VerifyProgress, LedgerReport>('ledger/verify', {}, {
        signal: abort.signal,
        onItems: (items) => {
          const progress = items.at(-1)
          if (!progress) return
          setState({ phase: 'running', progress })
          // Spoken by tenths: more would drown everything else.
          const tenth = Math.floor((progress.done / Math.max(1, progress.total)) * 10)
          if (tenth > last) {
            last = tenth
            setSaid(`${tenth * 10} percent verified`)
          }
        },
      })
      setState({ phase: 'done', report: end })
      setSaid(end.findings?.length ? `${end.findings.length} findings` : 'Everything is as it was recorded')
    } catch (e) {
      if (isAbort(e) || abort.signal.aborted) {
        setState({ phase: 'stopped' })
        setSaid('Stopped')
      } else setState({ phase: 'failed', error: e as Error })
    }
    onDone()
  }
  const share = state.phase === 'running' && state.progress ? state.progress.done / Math.max(1, state.progress.total) : undefined
  return (
    <Panel
      title="Verify"
      tools={
        <span className={s.tools}>
          <Commands small cli="annals verify" name="ledger/verify" />
          {state.phase === 'running' ? (
            <Button small icon="stop" onClick={() => running.current?.abort()}>
              Stop
            </Button>
          ) : (
            <Button small kind="primary" icon="shield" onClick={run} data-testid="verify">
              Verify everything
            </Button>
          )}
        </span>
      }
    >
      <span className="visually-hidden" role="status">
        {said}
      </span>
      {state.phase === 'idle' && <p className="soft">Reads every event of every cluster and holds it against the signed checkpoints. It takes seconds per gigabyte and disturbs nothing.</p>}
      {state.phase === 'stopped' && <p>Stopped. Nothing can be said of what was not read.</p>}
      {state.phase === 'running' && (
        <div className={s.progress}>
          <div role="progressbar" aria-label="Verifying" aria-valuemin={0} aria-valuemax={100} aria-valuenow={share === undefined ? undefined : Math.round(share * 100)} data-unknown={share === undefined || undefined}>
            <span style={{ width: `${(share ?? 0) * 100}%` }} />
          </div>
          <span className="soft">{state.progress ? `${count(state.progress.done)} of ${count(state.progress.total)} events` : 'beginning'}</span>
        </div>
      )}
      {state.phase === 'failed' && <ErrorBox error={state.error} what="Verifying" retry={run} />}
      {state.phase === 'done' && <Report report={state.report} />}
    </Panel>
  )
}

function Report({ report }: { report: LedgerReport }) {
  const findings = report.findings ?? []
  const checked = report.clusters.reduce((n, c) => n + c.checked, 0)
  return (
    <div className={s.report} data-testid="report">
      {findings.length === 0 ? (
        <p className={s.verdict} data-tone="ok">
          <Icon name="shield" size={20} />
          <span>
            <b>Everything is as it was recorded.</b> All {count(checked)} events were read and held against the signed checkpoints.
          </span>
        </p>
      ) : (
        <>
          <p className={s.verdict} data-tone="bad">
            <Icon name="alert" size={20} />
            <span>
              <b>The record does not hold.</b> Keep the directory as it is until somebody has looked, and ask the command line for the same: annals verify.
            </span>
          </p>
          <DataTable
            caption="What is wrong"
            rows={findings}
            id={(_, i) => String(i)}
            columns={[
              { key: 'kind', head: 'What it means', header: true, cell: (f) => kinds[f.kind] ?? f.kind },
              { key: 'cluster', head: 'Cluster', cell: (f) => inert(f.cluster ?? '') },
              { key: 'where', head: 'Where', cell: (f) => <code>{inert(f.where)}</code> },
              { key: 'what', head: 'What was found', cell: (f) => inert(f.what) },
            ]}
          />
        </>
      )}
      <DataTable
        caption="What was checked"
        rows={report.clusters}
        id={(c) => c.cluster}
        columns={[
          { key: 'cluster', head: 'Cluster', header: true, cell: (c) => inert(c.cluster) },
          { key: 'checked', head: 'Events checked', align: 'right', cell: (c) => `${count(c.checked)} of ${count(c.size)}` },
          { key: 'checkpoint', head: 'The checkpoint covers', align: 'right', cell: (c) => count(c.checkpoint) },
          { key: 'root', head: 'Root of the tree', cell: (c) => <code className={s.root}>{String(c.root)}</code> },
        ]}
      />
      {report.notes && report.notes.length > 0 && (
        <ul className="soft">
          {report.notes.map((n) => (
            <li key={n}>{inert(n)}</li>
          ))}
        </ul>
      )}
    </div>
  )
}
