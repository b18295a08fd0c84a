import { useEffect, useState } from 'react'
import { ask, isAbort } from '../api/client'
import type { Finding } from '../api/types.gen'

/**
 * How many findings came since the screen was shown, or since another round began. They are counted and not put in: whoever reads decides when the list is
 * another one. The answer to one that ends is asked for again a little later.
 */
export function useNew(question: object, round: number): number {
  const [n, setN] = useState(0)
  const text = JSON.stringify(question)
  useEffect(() => {
    const own = new AbortController()
    let timer = 0
    const seen = new Set<string>()
    setN(0)
    const listen = () => {
      const again = () => {
        if (!own.signal.aborted) timer = window.setTimeout(listen, 5000)
      }
      const take = (items: Finding[]) => {
        for (const f of items) f.withdrawn || seen.add(f.id)
        setN(seen.size)
      }
      ask<Finding, unknown>('findings/tail', { ...(JSON.parse(text) as object), limit: 0 }, { signal: own.signal, onItems: take })
        .then(again)
        .catch((e) => {
          if (!isAbort(e)) again()
        })
    }
    listen()
    return () => {
      own.abort()
      clearTimeout(timer)
    }
  }, [text, round])
  return n
}
