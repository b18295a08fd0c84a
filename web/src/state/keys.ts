import { useEffect, useRef, useSyncExternalStore } from 'react'
import { isBoolean, usePref } from './prefs'

// All keys of all screens are known here while their screen is shown, so that the help lists exactly what works.

export interface Key {
  /** 'j', '?', 'Enter', 'Escape', 'ArrowDown', or a sequence: 'g s'. */
  keys: string
  about: string
  group: string
  run: (e: KeyboardEvent) => void
  /** Also while typing in a field. */
  typing?: boolean
}

const shown = new Set<{ current: Key[] }>()
const listeners = new Set<() => void>()
let list: Key[] = []

function changed() {
  list = [...shown].flatMap((r) => r.current)
  for (const f of listeners) f()
}

/** Keys that work as long as the component is shown. The last shown wins. */
export function useKeys(keys: Key[]) {
  const ref = useRef(keys)
  ref.current = keys
  const names = keys.map((k) => k.keys + k.about).join('|')
  useEffect(() => {
    shown.add(ref)
    changed()
    return () => {
      shown.delete(ref)
      changed()
    }
  }, [names])
}

export function useAllKeys(): Key[] {
  return useSyncExternalStore(
    (f) => {
      listeners.add(f)
      return () => listeners.delete(f)
    },
    () => list,
  )
}

/** Single letters can be turned off, for those whose speech or hands would press them unmeant (WCAG 2.1.4). */
export const useLetters = () => usePref('letters', true, isBoolean)

function typing(e: KeyboardEvent): boolean {
  const t = e.target
  if (!(t instanceof HTMLElement)) return false
  return t.isContentEditable || t.tagName === 'TEXTAREA' || t.tagName === 'SELECT' || (t instanceof HTMLInputElement && !['checkbox', 'radio', 'button'].includes(t.type))
}

/** Listens for all of them; used once, by the shell. */
export function useKeyboard() {
  const [letters] = useLetters()
  useEffect(() => {
    let before = ''
    let timer = 0
    const press = (e: KeyboardEvent) => {
      if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented || e.isComposing) return
      const inField = typing(e)
      const all = [...shown].flatMap((r) => r.current).reverse()
      const sequence = before ? `${before} ${e.key}` : e.key
      before = ''
      const inDialog = e.target instanceof Element && e.target.closest('[role=dialog],[role=menu],[role=listbox]') !== null
      const key = all.find(
        (k) => k.keys === sequence && (!inField || k.typing) && (letters || k.keys.length > 1 && !k.keys.includes(' ')) && (!inDialog || k.group === 'Dialog' || k.typing),
      )
      if (key) {
        e.preventDefault()
        key.run(e)
      } else if (!inField && letters && all.some((k) => k.keys.startsWith(`${sequence} `))) {
        before = sequence
        clearTimeout(timer)
        timer = window.setTimeout(() => {
          before = ''
        }, 1500)
      }
    }
    window.addEventListener('keydown', press)
    return () => window.removeEventListener('keydown', press)
  }, [letters])
}
