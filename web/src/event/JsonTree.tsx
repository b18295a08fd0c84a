import { useVirtualizer } from '@tanstack/react-virtual'
import { type KeyboardEvent, type ReactNode, useDeferredValue, useEffect, useId, useMemo, useRef, useState } from 'react'
import { count } from '../state/time'
import { cut, inert } from './inert'
import s from './JsonTree.module.css'
import { fieldOf, find, idOf, isNode, type Json, page, pathOf, reveal, type Row, rowsOf, type Step } from './tree'

const shownAtFirst = 400 // characters of a string
const shownMore = 20_000
const mostHits = 500

export interface JsonTreeProps {
  value: Json
  label: string
  /** What a value's + and − do: only fields that the search language has get them. */
  onFilter?: (field: string, value: string, without: boolean) => void
  openAtFirst?: string[]
  /** Places that stand out, each with what is said of it; they are unfolded at first. */
  lit?: Lit[]
  /** Where to go: each time another object. */
  at?: { steps: Step[] }
}

export interface Lit {
  steps: Step[]
  label: string
}

const none: Lit[] = []

/** A JSON value that may be very large and hostile: rows are made as they are looked at, and text stays text. */
export function JsonTree({ value, label, onFilter, openAtFirst = [], lit = none, at }: JsonTreeProps) {
  const first = useState(() => unfolded(value, openAtFirst, lit))[0]
  const [open, setOpen] = useState<ReadonlySet<string>>(first.open)
  const [pages, setPages] = useState<ReadonlyMap<string, number>>(first.pages)
  const [lengths, setLengths] = useState<ReadonlyMap<string, number>>(new Map())
  const [active, setActive] = useState(0)
  const [text, setText] = useState('')
  const [hit, setHit] = useState(0)
  const [said, setSaid] = useState('')
  const [wantedRow, setWantedRow] = useState<{ at: number }>()
  const scroller = useRef<HTMLDivElement>(null)
  const prefix = useId()

  const rows = useMemo(() => rowsOf(value, { open, pages }), [value, open, pages])
  const wanted = useDeferredValue(text.trim())
  const found = useMemo(() => (wanted === '' ? null : find(value, wanted, mostHits)), [value, wanted])
  const hits = useMemo(() => new Set(found?.hits.map(idOf)), [found])
  const labels = useMemo(() => labelsOf(lit), [lit])

  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 24,
    getItemKey: (i) => rows[i]?.id ?? i,
    overscan: 20,
  })

  const goTo = (steps: Step[]) => {
    const folding = { open: new Set(open), pages: new Map(pages) }
    reveal(value, steps, folding)
    setOpen(folding.open)
    setPages(folding.pages)
    const at = rowsOf(value, folding).findIndex((r) => r.id === idOf(steps))
    if (at < 0) return
    setActive(at)
    setWantedRow({ at })
  }
  // Only once the rows that were folded are there can they be gone to.
  useEffect(() => {
    if (wantedRow) virtual.scrollToIndex(wantedRow.at, { align: 'center' })
  }, [wantedRow, virtual])
  useEffect(() => {
    setHit(0)
    if (found?.hits[0]) goTo(found.hits[0])
  }, [found])
  useEffect(() => {
    if (!at) return
    goTo(at.steps)
    scroller.current?.focus()
  }, [at])
  const nextHit = (by: number) => {
    if (!found?.hits.length) return
    const next = (hit + by + found.hits.length) % found.hits.length
    setHit(next)
    goTo(found.hits[next]!)
  }

  const fold = (row: Row, want: boolean) => {
    const next = new Set(open)
    want ? next.add(row.id) : next.delete(row.id)
    setOpen(next)
  }
  const act = (row: Row) => {
    const length = lengths.get(row.id) ?? shownAtFirst
    if (row.kind === 'more') setPages(new Map(pages).set(row.id.slice(0, -1), row.shown + page))
    else if (row.kind === 'node') fold(row, !row.open)
    else if (typeof row.value === 'string' && row.value.length > length) setLengths(new Map(lengths).set(row.id, length + shownMore))
  }
  const move = (to: number) => {
    const next = Math.max(0, Math.min(rows.length - 1, to))
    setActive(next)
    virtual.scrollToIndex(next, { align: 'auto' })
  }
  const filter = (row: Row, without: boolean) => {
    const field = filterable(row)
    if (field && onFilter) onFilter(field, String(row.value), without)
  }
  const copy = (row: Row, path: boolean) => {
    const copied = navigator.clipboard?.writeText(path ? pathOf(row.steps) : textOf(row.value))
    copied?.then(() => setSaid(path ? 'Path copied' : 'Value copied')).catch(() => setSaid('The browser did not let it be copied'))
  }

  const onKey = (e: KeyboardEvent) => {
    const row = rows[active]
    if (!row || e.target !== scroller.current || e.ctrlKey || e.metaKey || e.altKey) return
    const keys: Record<string, () => void> = {
      ArrowDown: () => move(active + 1),
      ArrowUp: () => move(active - 1),
      PageDown: () => move(active + 20),
      PageUp: () => move(active - 20),
      Home: () => move(0),
      End: () => move(rows.length - 1),
      ArrowRight: () => (row.kind === 'node' && !row.open ? fold(row, true) : move(active + 1)),
      ArrowLeft: () => {
        if (row.kind === 'node' && row.open) return fold(row, false)
        const up = rows.slice(0, active).findLastIndex((r) => r.depth < row.depth)
        if (up >= 0) move(up)
      },
      Enter: () => act(row),
      ' ': () => act(row),
      c: () => copy(row, false),
      p: () => copy(row, true),
      '+': () => filter(row, false),
      '-': () => filter(row, true),
    }
    const f = keys[e.key]
    if (!f) return
    e.preventDefault()
    e.stopPropagation()
    f()
  }

  return (
    <div data-testid="json-tree">
      <div className={s.bar}>
        <input
          type="search"
          className={s.search}
          placeholder="Find in this event"
          aria-label={`Find in ${label}`}
          value={text}
          onChange={(e) => setText(e.currentTarget.value)}
          onKeyDown={(e) => {
            if (e.key === 'Enter') nextHit(e.shiftKey ? -1 : 1)
            if (e.key === 'Escape' && text !== '') {
              e.stopPropagation()
              setText('')
            }
          }}
        />
        <span className="soft" role="status">
          {found ? (found.hits.length === 0 ? 'Nothing holds this' : `${hit + 1} of ${found.hits.length}${found.more ? ' or more' : ''} · Enter: next`) : said}
        </span>
      </div>
      <div
        ref={scroller}
        className={s.scroller}
        role="tree"
        aria-label={label}
        tabIndex={0}
        onKeyDown={onKey}
        aria-activedescendant={rows[active] ? `${prefix}${active}` : undefined}
        style={{ height: Math.min(virtual.getTotalSize() + 14, 560) }}
      >
        <div role="presentation" className={s.canvas} style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map((item) => {
            const row = rows[item.index]
            if (!row) return null
            const withFilter = onFilter && filterable(row) !== ''
            return (
              <div
                key={item.key}
                ref={virtual.measureElement}
                data-index={item.index}
                id={`${prefix}${item.index}`}
                role="treeitem"
                aria-level={row.depth + 1}
                aria-expanded={row.kind === 'node' && row.children > 0 ? row.open : undefined}
                aria-selected={item.index === active}
                className={s.row}
                data-active={item.index === active || undefined}
                data-hit={hits.has(row.id) || undefined}
                data-lit={(row.kind !== 'more' && labels.has(row.id)) || undefined}
                onClick={() => setActive(item.index)}
                style={{ transform: `translateY(${item.start}px)`, paddingInlineStart: 4 + Math.min(row.depth, 24) * 14 }}
              >
                <span className={s.text}>
                  <RowText row={row} length={lengths.get(row.id) ?? shownAtFirst} act={() => act(row)} />
                  {row.kind !== 'more' && labels.has(row.id) && <span className={s.lit}>{labels.get(row.id)}</span>}
                </span>
                {row.kind !== 'more' && (
                  <span className={s.tools}>
                    {withFilter && (
                      <>
                        <Tool label={`Search for this value of ${pathOf(row.steps)}`} focusable={item.index === active} onClick={() => filter(row, false)}>
                          +
                        </Tool>
                        <Tool label={`Search without this value of ${pathOf(row.steps)}`} focusable={item.index === active} onClick={() => filter(row, true)}>
                          −
                        </Tool>
                      </>
                    )}
                    <Tool label={`Copy the path ${pathOf(row.steps)}`} focusable={item.index === active} onClick={() => copy(row, true)}>
                      path
                    </Tool>
                    <Tool label={`Copy the value of ${pathOf(row.steps)}`} focusable={item.index === active} onClick={() => copy(row, false)}>
                      value
                    </Tool>
                  </span>
                )}
              </div>
            )
          })}
        </div>
      </div>
      <p className={s.hint}>Arrows move and fold · c copies the value, p the path{onFilter ? ' · + and − search with a value or without it' : ''}</p>
    </div>
  )
}

/** What is open at first: what is always of interest, and the ways to what stands out. */
function unfolded(value: Json, names: string[], lit: Lit[]) {
  const folding = { open: new Set(names.map((name) => idOf([name]))), pages: new Map<string, number>() }
  for (const l of lit) reveal(value, l.steps, folding)
  return folding
}

function labelsOf(lit: Lit[]): Map<string, string> {
  const labels = new Map<string, string>()
  for (const l of lit) {
    const id = idOf(l.steps)
    const before = labels.get(id)
    labels.set(id, before ? `${before}, ${l.label.replace(/^matched /, '')}` : l.label)
  }
  return labels
}

function filterable(row: Row): string {
  if (row.kind !== 'leaf' || row.value === null || String(row.value) === '' || String(row.value).length > 400) return ''
  return fieldOf(row.steps)
}

const textOf = (v: Json): string => (typeof v === 'string' ? v : JSON.stringify(v, null, 2))

function RowText({ row, length, act }: { row: Row; length: number; act: () => void }): ReactNode {
  if (row.kind === 'more') {
    const rest = row.children - row.shown
    return (
      <button type="button" className={s.more} onClick={act} tabIndex={-1}>
        {count(Math.min(page, rest))} more of {count(rest)}
      </button>
    )
  }
  const last = row.steps.at(-1)
  const name = last === undefined ? null : typeof last === 'number' ? <span className={s.index}>{last}</span> : <span className={s.name}>{inert(cut(last, 200))}</span>
  if (isNode(row.value)) {
    const redaction = redactionOf(row.value)
    return (
      <button type="button" className={s.fold} onClick={act} tabIndex={-1} data-open={row.open || undefined}>
        <span className={s.caret} aria-hidden="true">
          {row.children === 0 ? '' : '▸'}
        </span>
        {name}
        <span className={s.size}>{Array.isArray(row.value) ? `[${row.children}]` : `{${row.children}}`}</span>
        {redaction && <span className={s.redacted}>redacted: {redaction}</span>}
      </button>
    )
  }
  return (
    <>
      <span className={s.caret} aria-hidden="true" />
      {name}
      {name && <span className={s.colon}>: </span>}
      <Leaf value={row.value} length={length} act={act} />
    </>
  )
}

function Leaf({ value, length, act }: { value: string | number | boolean | null; length: number; act: () => void }) {
  if (typeof value !== 'string') return <span className={s.literal}>{String(value)}</span>
  if (value === '') return <span className={s.size}>""</span>
  const shown = cut(value, length)
  const rest = value.length - shown.length
  return (
    <span className={s.string}>
      <bdi>{inert(shown)}</bdi>
      {rest > 0 && (
        <>
          …{' '}
          <button type="button" className={s.more} onClick={act} tabIndex={-1}>
            show more of {count(rest)} characters
          </button>
        </>
      )}
    </span>
  )
}

/** What a redaction leaves is its rule. */
function redactionOf(v: Json): string {
  if (!isNode(v) || Array.isArray(v)) return ''
  const left = v['annals.dev/redacted']
  if (left === undefined) return ''
  return typeof left === 'string' ? inert(cut(left, 100)) : 'by a rule'
}

function Tool({ label, focusable, onClick, children }: { label: string; focusable: boolean; onClick: () => void; children: ReactNode }) {
  const text = inert(cut(label, 120))
  return (
    <button type="button" className={s.tool} aria-label={text} title={text} tabIndex={focusable ? 0 : -1} onClick={onClick}>
      {children}
    </button>
  )
}
