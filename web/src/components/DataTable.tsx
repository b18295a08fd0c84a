import { type ReactNode, useMemo, useState } from 'react'
import { Icon } from './Icon'
import css from './ui.module.css'

export interface Column<T> {
  key: string
  head: ReactNode
  cell: (row: T) => ReactNode
  align?: 'left' | 'right'
  /** Sortable by this. */
  by?: (row: T) => string | number
  /** Names the row, for those who hear it. */
  header?: boolean
  width?: string
}

interface Props<T> {
  /** What the table shows, for those who hear it. */
  caption: string
  columns: Column<T>[]
  rows: T[]
  id: (row: T, index: number) => string
  onRow?: (row: T) => void
  selected?: string
}

/** A table that scrolls sideways where it must, and sorts by its heads. For some hundred rows; more want a virtual list. */
export function DataTable<T>({ caption, columns, rows, id, onRow, selected }: Props<T>) {
  const [sort, setSort] = useState<{ key: string; down: boolean }>()
  const sorted = useMemo(() => {
    const by = columns.find((c) => c.key === sort?.key)?.by
    if (!by) return rows
    const factor = sort?.down ? -1 : 1
    return [...rows].sort((a, b) => {
      const x = by(a)
      const y = by(b)
      return factor * (typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y)))
    })
  }, [rows, columns, sort])
  return (
    <div className={css.scroll} tabIndex={0} role="region" aria-label={caption}>
      <table className={css.table}>
        <caption className="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((c) => {
              const down = sort?.key === c.key ? sort.down : undefined
              return (
                <th key={c.key} scope="col" data-align={c.align} style={{ width: c.width }} aria-sort={down === undefined ? undefined : down ? 'descending' : 'ascending'}>
                  {c.by ? (
                    <button type="button" className={css.sort} onClick={() => setSort({ key: c.key, down: down === undefined ? c.align === 'right' : !down })}>
                      {c.head}
                      {down !== undefined && <Icon name={down ? 'down' : 'up'} size={11} />}
                    </button>
                  ) : (
                    c.head
                  )}
                </th>
              )
            })}
          </tr>
        </thead>
        <tbody>
          {sorted.map((row, i) => {
            const key = id(row, i)
            return (
              <tr key={key} aria-selected={selected === undefined ? undefined : selected === key} onClick={onRow && (() => onRow(row))}>
                {columns.map((c) =>
                  c.header ? (
                    <th key={c.key} scope="row" data-align={c.align}>
                      {c.cell(row)}
                    </th>
                  ) : (
                    <td key={c.key} data-align={c.align}>
                      {c.cell(row)}
                    </td>
                  ),
                )}
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}
