import { useVirtualizer } from '@tanstack/react-virtual'
import { useMemo, useRef } from 'react'
import { Link } from 'wouter'
import { useAsk } from '../api/hooks'
import type { ObjectBlamed, ObjectLine, ObjectVersion } from '../api/types.gen'
import { CopyButton, CoverageLine, ErrorBox, Incomplete, Skeleton, Time } from '../components'
import { cut, inert } from '../event/inert'
import { eventPath, useTo } from '../event/paths'
import s from './diff.module.css'

/** Each line of the newest known state, and who last set it. */
export default function BlameView({ question }: { question: object }) {
  const answer = useAsk<never, ObjectBlamed>('objects/blame', question, { keep: true })
  const blamed = answer.data?.end
  if (answer.error) return <ErrorBox error={answer.error} what="Finding who set each line" retry={() => answer.refetch()} />
  if (!blamed) return <Skeleton height="22rem" />
  return (
    <div className={s.view} aria-busy={answer.isFetching} data-testid="blame">
      <div className={s.bar}>
        <span>
          Version #{blamed.at.number}, {blamed.at.known}
          {blamed.at.why && <span className="soft">: {inert(blamed.at.why)}</span>}
        </span>
        <CopyButton small labelled label="Copy YAML" text={() => blamed.lines.filter((l) => l.op !== '?').map((l) => l.text).join('\n')} />
      </div>
      <Incomplete of={blamed.coverage} />
      <Lines blamed={blamed} />
      <CoverageLine of={blamed.coverage} unit="events" />
    </div>
  )
}

function Lines({ blamed }: { blamed: ObjectBlamed }) {
  const to = useTo()
  const versions = useMemo(() => new Map(blamed.versions.map((v) => [v.number, v])), [blamed])
  const scroller = useRef<HTMLDivElement>(null)
  const lines = blamed.lines
  const virtual = useVirtualizer({ count: lines.length, getScrollElement: () => scroller.current, estimateSize: () => 21, overscan: 30 })
  if (lines.length === 0) return <p className="soft">Nothing of the object is known: no answer or request with its body was recorded.</p>
  return (
    <div ref={scroller} className={s.scroller} role="region" aria-label="Lines, and who last set each" tabIndex={0} style={{ height: Math.min(virtual.getTotalSize() + 2, 680) }}>
      <div role="table" aria-label="Blame" aria-rowcount={lines.length} className={s.canvas} style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const line = lines[item.index]!
          const first = lines[item.index - 1]?.version !== line.version || lines[item.index - 1]?.op !== line.op
          const version = versions.get(line.version ?? 0)
          return (
            <div
              key={item.key}
              ref={virtual.measureElement}
              data-index={item.index}
              role="row"
              aria-rowindex={item.index + 1}
              className={`${s.row} ${s.blame}`}
              data-first={first || undefined}
              data-unseen={line.op === '?' || undefined}
              data-newest={(version && version.number === blamed.at.number) || undefined}
              style={{ transform: `translateY(${item.start}px)` }}
            >
              <span role="cell" className={s.who}>
                {first && <Who line={line} version={version} to={to.here} />}
              </span>
              <span role="cell" className={s.number}>
                {line.after || item.index + 1}
              </span>
              <span role="cell" className={s.text}>
                {inert(cut(line.text, 4000)) || ' '}
                {line.text.length > 4000 && <span className="soft"> … cut; copy the YAML for all of it</span>}
              </span>
            </div>
          )
        })}
      </div>
    </div>
  )
}

function Who({ line, version, to }: { line: ObjectLine; version?: ObjectVersion; to: (path: string) => string }) {
  if (line.op === '?') return <span>not observed</span>
  if (!version) return <span>before the first version seen</span>
  const user = version.event.user || 'unknown'
  return (
    <>
      <Link href={to(eventPath(version.event.cluster, version.event.position))} title={`#${version.number} by ${inert(user)}: ${inert(version.summary)}`}>
        {inert(user.replace(/^system:serviceaccount:/, 'sa:'))}
      </Link>
      <Time at={version.time} as="ago" />
    </>
  )
}
