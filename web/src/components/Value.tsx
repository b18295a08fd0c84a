import type { ReactNode } from 'react'
import { useLocation, useSearchParams } from 'wouter'
import { inert } from '../event/inert'
import { carried } from '../state/range'
import { addTerm } from '../state/query'
import { CopyButton } from './Copy'
import { Icon } from './Icon'
import css from './ui.module.css'

interface Props {
  /** The search language's name: user, ns, objectRef.name, … Without one there are no filters. */
  field?: string
  value: string
  children?: ReactNode
  copy?: boolean
  /** What + and − do instead of going to the search. */
  onFilter?: (field: string, value: string, exclude: boolean) => void
}

/** A value, with what can be done with it: search for it, leave it out, copy it. */
export function Value({ field, value, children, copy = true, onFilter }: Props) {
  const [params] = useSearchParams()
  const [path, go] = useLocation()
  if (value === '') return <span className="soft">none</span>
  const filter = (exclude: boolean) => {
    if (!field) return
    if (onFilter) return onFilter(field, value, exclude)
    const to = new URLSearchParams(carried(params))
    to.set('q', addTerm(path.startsWith('/search') ? (params.get('q') ?? '') : '', field, value, exclude))
    go(`/search?${to}`)
  }
  const name = inert(value)
  return (
    <span className={css.value}>
      <span>{children ?? name}</span>
      <span className={`${css.tools} no-print`}>
        {field && (
          <>
            <button type="button" className={css.tool} onClick={() => filter(false)} aria-label={`Search for ${field} ${name}`} title="Search for it">
              <Icon name="plus" size={12} />
            </button>
            <button type="button" className={css.tool} onClick={() => filter(true)} aria-label={`Leave out ${field} ${name}`} title="Leave it out">
              <Icon name="minus" size={12} />
            </button>
          </>
        )}
        {copy && <CopyButton small text={value} label={`Copy ${value.length > 60 ? 'the value' : name}`} />}
      </span>
    </span>
  )
}
