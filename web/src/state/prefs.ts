import { useSyncExternalStore } from 'react'

// What somebody chose for this browser. It is only read where it is understood: what another version wrote does no harm.

const prefix = 'annals.'
const listeners = new Map<string, Set<() => void>>()
const cache = new Map<string, unknown>()

function read<T>(key: string, fallback: T, ok: (v: unknown) => v is T): T {
  if (cache.has(key)) return cache.get(key) as T
  let value = fallback
  try {
    const text = localStorage.getItem(prefix + key)
    const parsed: unknown = text === null ? fallback : JSON.parse(text)
    if (ok(parsed)) value = parsed
  } catch {
    // A browser that keeps nothing has the defaults.
  }
  cache.set(key, value)
  return value
}

function write(key: string, value: unknown) {
  cache.set(key, value)
  try {
    localStorage.setItem(prefix + key, JSON.stringify(value))
  } catch {
    // It holds until the page is left.
  }
  for (const f of listeners.get(key) ?? []) f()
}

export function usePref<T>(key: string, fallback: T, ok: (v: unknown) => v is T): [T, (v: T) => void] {
  const value = useSyncExternalStore(
    (f) => {
      const all = listeners.get(key) ?? new Set()
      listeners.set(key, all)
      all.add(f)
      return () => all.delete(f)
    },
    () => read(key, fallback, ok),
  )
  return [value, (v: T) => write(key, v)]
}

export const oneOf =
  <T extends string>(...names: T[]) =>
  (v: unknown): v is T =>
    names.includes(v as T)
export const isBoolean = (v: unknown): v is boolean => typeof v === 'boolean'
export const isStrings = (v: unknown): v is string[] => Array.isArray(v) && v.every((s) => typeof s === 'string')

export type Zone = 'utc' | 'local'
const isZone = oneOf<Zone>('utc', 'local')

/** In which zone times are shown. */
export const useZone = () => usePref<Zone>('zone', 'utc', isZone)
