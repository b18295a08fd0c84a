import { useEffect, useRef, useState } from 'react'
import { ask, isAbort } from '../api/client'
import type { Finding, HuntEnd, RuleState } from '../api/types.gen'
import { Button, CoverageLine, ErrorBox, Incomplete, Panel } from '../components'
import { eventPath } from '../event/paths'
import { FindingList } from '../findings/FindingList'
import fs from '../findings/findings.module.css'
import { useRange } from '../state/range'
import { count, duration } from '../state/time'
import { Problems } from './Problems'

const most = 1000

interface State {
  phase: 'idle' | 'running' | 'done' | 'cancelled' | 'failed'
  found: Finding[]
  label: string
  end?: HuntEnd
  error?: Error
  took?: number
}

const idle: State = { phase: 'idle', found: [], label: '' }

/** Runs a rule over what happened: what it would have found, had it been there. */
export function Hunt({ rule }: { rule: RuleState }) {
  const range = useRange()
  const [state, setState] = useState<State>(idle)
  const own = useRef<AbortController>(undefined)
  useEffect(() => () => own.current?.abort(), [])
  const run = async () => {
    const control = new AbortController()
    own.current = control
    const began = performance.now()
    setState({ phase: 'running', found: [], label: range.label })
    try {
      const onItems = (items: Finding[]) => setState((s) => ({ ...s, found: [...s.found, ...items] }))
      const { end } = await ask<Finding, HuntEnd>('rules/hunt', { ids: [rule.id], ...range.of, limit: most }, { signal: control.signal, onItems })
      setState((s) => ({ ...s, phase: 'done', end, took: (performance.now() - began) / 1000 }))
    } catch (e) {
      setState((s) => (isAbort(e) || control.signal.aborted ? { ...s, phase: 'cancelled' } : { ...s, phase: 'failed', error: e as Error }))
    }
  }
  const running = state.phase === 'running'
  return (
    <Panel
      title="Hunt"
      tools={
        rule.language !== 'annals' &&
        (running ? (
          <Button small icon="stop" onClick={() => own.current?.abort()}>
            Cancel
          </Button>
        ) : (
          <Button small icon="play" onClick={run} data-testid="hunt">
            Run it over this range
          </Button>
        ))
      }
    >
      {rule.language === 'annals' ? (
        <p className="soft">This one is made in Go and keeps what it knows: it cannot be run over a part of what happened.</p>
      ) : (
        <div className={fs.stack} data-testid="hunted" aria-busy={running || undefined}>
          {state.phase === 'idle' && <p className="soft">What it would have found in {range.last ? `the range “${range.label}”` : range.label}, had it been there all the while. Nothing is recorded of it but that it was asked.</p>}
          <p role="status">
            {running && `Looking… ${count(state.found.length)} found so far`}
            {state.phase === 'cancelled' && `Cancelled: ${count(state.found.length)} were found until then, not all.`}
            {state.end && (
              <>
                <b>{count(state.end.findings)}</b> {state.end.findings === 1 ? 'finding' : 'findings'} in {state.label} <span className="soft">{duration(state.took ?? 0)}</span>
              </>
            )}
          </p>
          <ErrorBox error={state.error} what="The hunt" retry={run} />
          {state.end && state.end.problems.length > 0 && <Problems of={state.end.problems} />}
          {state.end && <Incomplete of={state.end.coverage} />}
          {state.found.length > 0 && <FindingList label="What the hunt found" findings={state.found.slice(0, 200)} titled={false} hrefOf={(f) => eventPath(f.cluster, f.positions.at(-1) ?? 0)} />}
          {state.found.length > 200 && <p className="soft">The first 200 are shown.</p>}
          {state.end && <CoverageLine of={state.end.coverage} unit="findings" />}
        </div>
      )}
    </Panel>
  )
}
