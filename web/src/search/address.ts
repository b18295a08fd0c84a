import { useCallback, useMemo } from 'react'
import { useSearchParams } from 'wouter'
import { isStrings, oneOf, usePref } from '../state/prefs'

// What the search screen shows stands in its address, next to the range: q (the search), open (cluster/position of the event that
// is open), cols (the table's columns; without it rows are sentences). What is a matter of taste stands in the browser.

export interface Opened {
  cluster: string
  position: number
}

export const keyOf = (e: { cluster: string; position: number }) => `${e.cluster}/${e.position}`

export function opened(text: string | null): Opened | undefined {
  const m = /^(.+)\/(\d+)$/.exec(text ?? '')
  return m ? { cluster: m[1]!, position: Number(m[2]) } : undefined
}

export function useAddress() {
  const [params, setParams] = useSearchParams()
  const query = params.get('q') ?? ''
  const open = params.get('open')
  const cols = params.get('cols')
  const set = useCallback(
    (name: string, value: string | undefined, replace = false) =>
      setParams(
        (p) => {
          value ? p.set(name, value) : p.delete(name)
          return p
        },
        { replace },
      ),
    [setParams],
  )
  return {
    query,
    setQuery: useCallback((q: string) => set('q', q), [set]),
    open,
    opened: useMemo(() => opened(open), [open]),
    setOpen: useCallback((key: string | undefined, replace = false) => set('open', key, replace), [set]),
    columns: useMemo(() => (cols === null ? undefined : cols.split(',').filter(Boolean)), [cols]),
    setColumns: useCallback((c: string[] | undefined) => set('cols', c?.join(','), true), [set]),
  }
}

const isDensity = oneOf('comfortable', 'dense')
export const useDensity = () => usePref<'comfortable' | 'dense'>('density', 'comfortable', isDensity)
const isEdge = oneOf('top', 'bottom')
export const useTailEdge = () => usePref<'top' | 'bottom'>('tail', 'top', isEdge)
const isBy = oneOf('code-class', 'verb', 'user', 'resource', 'none')
export const useBy = () => usePref<'code-class' | 'verb' | 'user' | 'resource' | 'none'>('by', 'code-class', isBy)

export interface Saved {
  name: string
  query: string
}
const isSaved = (v: unknown): v is Saved[] => Array.isArray(v) && v.every((s) => typeof s?.name === 'string' && typeof s?.query === 'string')
export const useSaved = () => usePref<Saved[]>('saved', [], isSaved)
export const usePast = () => usePref<string[]>('past', [], isStrings)
