import { SegmentedControl } from '@mantine/core'
import { useMediaQuery } from '@mantine/hooks'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useMemo, useRef, useState } from 'react'
import { useAsk } from '../api/hooks'
import type { ObjectDifference, ObjectLine } from '../api/types.gen'
import { CopyButton, CoverageLine, ErrorBox, Incomplete, Skeleton } from '../components'
import { cut, inert } from '../event/inert'
import { oneOf, usePref } from '../state/prefs'
import { count } from '../state/time'
import s from './diff.module.css'
import { changed, folded, type Pair, pairs, within } from './lines'

const longest = 2000 // characters of a line that are shown

interface Props {
  /** As asked of objects/diff, with from and to. */
  question: object
}

/** What differs between two versions of an object. */
export default function DiffView({ question }: Props) {
  const answer = useAsk<never, ObjectDifference>('objects/diff', question, { keep: true })
  const diff = answer.data?.end
  const narrow = useMediaQuery('(max-width: 48em)')
  const [mode, setMode] = usePref('diff', 'side', oneOf('side', 'inline'))
  const side = mode === 'side' && !narrow
  if (answer.error) return <ErrorBox error={answer.error} what="Comparing the versions" retry={() => answer.refetch()} />
  if (!diff) return <Skeleton height="22rem" />
  const added = diff.lines.filter((l) => l.op === '+').length
  const removed = diff.lines.filter((l) => l.op === '-').length
  return (
    <div className={s.view} aria-busy={answer.isFetching} data-testid="diff">
      <div className={s.bar}>
        <span role="status">
          #{diff.from.number} → #{diff.to.number}: <b className={s.plus}>+{count(added)}</b> <b className={s.minus}>−{count(removed)}</b>
          {added + removed === 0 && ' · nothing differs in what is shown'}
        </span>
        <span className={s.tools}>
          {!narrow && (
            <SegmentedControl
              size="xs"
              aria-label="How the versions are compared"
              value={mode}
              onChange={(v) => setMode(v as 'side' | 'inline')}
              data={[
                { value: 'side', label: 'Side by side' },
                { value: 'inline', label: 'Inline' },
              ]}
            />
          )}
          <CopyButton small labelled label="Copy diff" text={() => diff.lines.map((l) => l.op + l.text).join('\n')} />
        </span>
      </div>
      <Incomplete of={diff.coverage} />
      {[diff.from, diff.to].map((v) => v.why && (
        <p key={v.number} className="soft">
          #{v.number} is {v.known}: {inert(v.why)}
        </p>
      ))}
      <Lines lines={diff.lines} side={side} />
      <CoverageLine of={diff.coverage} unit="events" />
    </div>
  )
}

function Lines({ lines, side }: { lines: ObjectLine[]; side: boolean }) {
  const [open, setOpen] = useState<ReadonlySet<number>>(new Set())
  const all = useMemo(() => pairs(lines, side), [lines, side])
  const rows = useMemo(() => folded(all, open), [all, open])
  const scroller = useRef<HTMLDivElement>(null)
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => 21, overscan: 30 })
  if (lines.length === 0) return <p className="soft">Nothing is known of either version, so there is nothing to compare.</p>
  return (
    <div ref={scroller} className={s.scroller} role="region" aria-label="Lines of both versions" tabIndex={0} style={{ height: Math.min(virtual.getTotalSize() + 2, 620) }}>
      <div role="table" aria-label="Difference" aria-rowcount={rows.length} className={s.canvas} style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const row = rows[item.index]!
          return (
            <div key={item.key} ref={virtual.measureElement} data-index={item.index} role="row" aria-rowindex={item.index + 1} className={s.row} data-side={side || undefined} style={{ transform: `translateY(${item.start}px)` }}>
              {row.kind === 'fold' ? (
                <span role="cell" className={s.fold}>
                  <button type="button" onClick={() => setOpen(new Set(open).add(row.from))}>
                    {count(row.count)} lines that are the same
                  </button>
                </span>
              ) : side ? (
                <>
                  <Cell line={row.left} other={changed(row) ? row.right : undefined} number={row.left?.before} op={changed(row) ? '-' : ' '} />
                  <Cell line={row.right} other={changed(row) ? row.left : undefined} number={row.right?.after} op={changed(row) ? '+' : ' '} />
                </>
              ) : (
                <Cell line={row.left ?? row.right} number={row.left?.before} second={row.right?.after} op={opOf(row)} both />
              )}
            </div>
          )
        })}
      </div>
    </div>
  )
}

const opOf = (p: Pair) => (!changed(p) ? ' ' : p.left ? '-' : '+')

interface CellProps {
  line?: ObjectLine
  other?: ObjectLine
  number?: number
  second?: number
  op: string
  both?: boolean
}

function Cell({ line, other, number, second, op, both }: CellProps) {
  const [whole, setWhole] = useState(false)
  if (!line) return <span role="cell" className={s.cell} data-op="none" />
  const text = whole ? line.text : cut(line.text, longest)
  const part = other && text.length <= longest ? within(text, other.text) : undefined
  return (
    <span role="cell" className={s.cell} data-op={op} data-both={both || undefined}>
      <span className={s.number} aria-hidden="true">
        {number || ''}
      </span>
      {both && (
        <span className={s.number} aria-hidden="true">
          {second || ''}
        </span>
      )}
      <span className={s.op} aria-hidden="true">
        {op === '-' ? '−' : op}
      </span>
      {op !== ' ' && <span className="visually-hidden">{op === '-' ? 'removed: ' : 'added: '}</span>}
      <span className={s.text}>
        {part && (part.from > 0 || part.end > 0) ? (
          <>
            {inert(text.slice(0, part.from))}
            <mark>{inert(text.slice(part.from, text.length - part.end))}</mark>
            {inert(text.slice(text.length - part.end))}
          </>
        ) : (
          inert(text)
        )}
        {text.length < line.text.length && (
          <button type="button" onClick={() => setWhole(true)}>
            … {count(line.text.length - text.length)} more characters
          </button>
        )}
      </span>
    </span>
  )
}
