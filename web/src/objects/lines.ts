import type { ObjectLine } from '../api/types.gen'

// A diff as rows of a screen: pairs of lines side by side, with long runs that are the same folded.

export interface Pair {
  kind: 'pair'
  left?: ObjectLine
  right?: ObjectLine
}

export interface Fold {
  kind: 'fold'
  from: number
  count: number
}

export type DiffRow = Pair | Fold

const around = 4 // lines shown beside a change

/** pairs puts what was taken away beside what came in its place. */
export function pairs(lines: ObjectLine[], side: boolean): Pair[] {
  const rows: Pair[] = []
  let i = 0
  while (i < lines.length) {
    const line = lines[i]!
    if (line.op === ' ' || line.op === '?') {
      rows.push({ kind: 'pair', left: line, right: line })
      i++
      continue
    }
    const gone: ObjectLine[] = []
    const came: ObjectLine[] = []
    while (i < lines.length && (lines[i]!.op === '-' || lines[i]!.op === '+')) {
      const l = lines[i++]!
      ;(l.op === '-' ? gone : came).push(l)
    }
    if (side) {
      for (let k = 0; k < Math.max(gone.length, came.length); k++) rows.push({ kind: 'pair', left: gone[k], right: came[k] })
    } else {
      for (const l of gone) rows.push({ kind: 'pair', left: l })
      for (const l of came) rows.push({ kind: 'pair', right: l })
    }
  }
  return rows
}

export const changed = (p: Pair) => p.left !== p.right

/** folded leaves out long runs of what did not change, but for those in open. */
export function folded(rows: Pair[], open: ReadonlySet<number>): DiffRow[] {
  const keep = new Uint8Array(rows.length)
  rows.forEach((r, i) => {
    if (changed(r)) keep.fill(1, Math.max(0, i - around), Math.min(rows.length, i + around + 1))
  })
  const out: DiffRow[] = []
  for (let i = 0; i < rows.length; ) {
    if (keep[i]) {
      out.push(rows[i++]!)
      continue
    }
    let end = i
    while (end < rows.length && !keep[end]) end++
    if (end - i < 4 || open.has(i)) out.push(...rows.slice(i, end))
    else out.push({ kind: 'fold', from: i, count: end - i })
    i = end
  }
  return out
}

/** within tells which part of two lines differs: from where, and how much of each end is the same. */
export function within(a: string, b: string): { from: number; end: number } {
  let from = 0
  while (from < a.length && from < b.length && a[from] === b[from]) from++
  let end = 0
  while (end < a.length - from && end < b.length - from && a[a.length - 1 - end] === b[b.length - 1 - end]) end++
  return { from, end }
}
