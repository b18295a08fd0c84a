import { useEffect } from 'react'
import { useSearchParams } from 'wouter'

/** A life is asked for whole unless a range was chosen: then the address says so, and with it the header. */
export function useWholeRange(): boolean {
  const [params, setParams] = useSearchParams()
  const chosen = params.has('last') || params.has('since') || params.has('until')
  useEffect(() => {
    if (chosen) return
    setParams(
      (p) => {
        p.set('last', 'all')
        return p
      },
      { replace: true },
    )
  }, [chosen, setParams])
  return chosen
}
