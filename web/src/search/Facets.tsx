import { useState } from 'react'
import { useAsk } from '../api/hooks'
import type { Coverage, Facet, Value } from '../api/types'
import { Button, ErrorBox, Icon, Skeleton } from '../components'
import { isBoolean, isStrings, usePref } from '../state/prefs'
import { addTerm, hasTerm, onlyTerm } from '../state/query'
import { inert } from '../event/inert'
import { count } from '../state/time'
import css from './search.module.css'
import type { Asked } from './useResults'

const names: [string, string][] = [
  ['user', 'User'],
  ['verb', 'Verb'],
  ['resource', 'Resource'],
  ['ns', 'Namespace'],
  ['code', 'Status'],
  ['name', 'Name'],
  ['ip', 'From address'],
  ['agent', 'Client'],
  ['as', 'Acting as'],
  ['decision', 'Decision'],
  ['subresource', 'Subresource'],
  ['stage', 'Stage'],
]
const openFirst = ['user', 'verb', 'resource', 'ns', 'code']

interface Props {
  asked: Asked
  enabled: boolean
  onQuery: (q: string) => void
  /** Its heading stands elsewhere. */
  titled?: boolean
}

/** The values of twelve fields, counted exactly over the whole range. A field is counted when it is opened. */
export function Facets({ asked, enabled, onQuery, titled }: Props) {
  const [open, setOpen] = usePref('facets', openFirst, isStrings)
  const [rare, setRare] = usePref('rare', false, isBoolean)
  // Those that are open from the start are one question; the others are asked for as they are opened.
  const [together] = useState(() => names.map(([f]) => f).filter((f) => open.includes(f)))
  const ask = useAsk<Facet, Coverage>('facets', { ...asked, fields: together, limit: 8, rare }, { enabled: enabled && together.length > 0, keep: true })
  const toggle = (f: string) => setOpen(open.includes(f) ? open.filter((o) => o !== f) : [...open, f])
  return (
    <div className={css.facets} aria-busy={ask.isFetching}>
      <div className={css.facetHead}>
        <h2 className={titled ? 'visually-hidden' : undefined}>Fields</h2>
        <Button small kind="quiet" aria-pressed={rare} onClick={() => setRare(!rare)} title="What is rare is often what matters">
          Rare first
        </Button>
      </div>
      {ask.error && ask.error.kind !== 'usage' && <ErrorBox error={ask.error} what="Counting" retry={() => ask.refetch()} />}
      {names.map(([field, label]) => (
        <section key={field} data-testid={`facet-${field}`}>
          <h3>
            <button type="button" className={css.fold} aria-expanded={open.includes(field)} onClick={() => toggle(field)}>
              <Icon name={open.includes(field) ? 'chevron' : 'right'} size={11} />
              {label}
            </button>
          </h3>
          {open.includes(field) && (
            <FieldValues
              field={field}
              label={label}
              asked={asked}
              rare={rare}
              enabled={enabled}
              known={together.includes(field) ? ask.data?.items.find((f) => f.field === field) : undefined}
              own={!together.includes(field)}
              failed={!!ask.error}
              onQuery={onQuery}
            />
          )}
        </section>
      ))}
    </div>
  )
}

const service = 'system:serviceaccount:'

/** A value in little room: cut in its middle, since names differ at their ends. Its title has all of it. */
function Ends({ text }: { text: string }) {
  const account = text.startsWith(service)
  const name = account ? text.slice(service.length) : text
  const room = account ? 25 : 28
  return (
    <span className={css.ends}>
      {account && <i>sa</i>}
      <span>{name.length > room ? `${name.slice(0, 7)}…${name.slice(8 - room)}` : name}</span>
    </span>
  )
}

interface FieldProps extends Props {
  field: string
  label: string
  rare: boolean
  known: Facet | undefined
  own: boolean
  failed: boolean
}

function FieldValues({ field, label, asked, rare, enabled, known, own, failed, onQuery }: FieldProps) {
  const [limit, setLimit] = useState(8)
  const more = useAsk<Facet, Coverage>('facets', { ...asked, fields: [field], limit, rare }, { enabled: enabled && (own || limit > 8), keep: true })
  const facet = (own || limit > 8 ? more.data?.items[0] : undefined) ?? known
  if (!facet) {
    if (failed || more.error) return <p className={css.none}>not counted</p>
    return (
      <div className={css.waiting}>
        {[70, 55, 62, 40].map((w) => (
          <Skeleton key={w} width={`${w}%`} />
        ))}
      </div>
    )
  }
  const values: Value[] = facet.absent > 0 && !facet.values.some((v) => v.value === '') ? [...facet.values, { value: '', count: facet.absent }] : facet.values
  if (values.length === 0) return <p className={css.none}>no events</p>
  const most = Math.max(...values.map((v) => v.count))
  return (
    <>
      <ul>
        {values.map((v) => {
          const shown = v.value === '' ? 'absent' : inert(v.value)
          const wanted = hasTerm(asked.query, field, v.value)
          return (
            <li key={v.value} className={css.facet} data-on={wanted || undefined} data-absent={v.value === '' || undefined}>
              <span className={css.share} style={{ width: `${(100 * v.count) / most}%` }} />
              <button type="button" className={css.facetValue} title={shown} onClick={() => onQuery(addTerm(asked.query, field, v.value))} aria-label={`${label} ${shown}: ${count(v.count)} events; search for it`}>
                <Ends text={shown} />
                {wanted && <Icon name="check" size={11} />}
              </button>
              <span className={css.facetCount}>{count(v.count)}</span>
              <span className={css.facetTools}>
                <button type="button" aria-label={`Leave out ${shown}`} title="Leave it out" onClick={() => onQuery(addTerm(asked.query, field, v.value, true))}>
                  <Icon name="minus" size={12} />
                </button>
                <button type="button" aria-label={`Only ${shown}, in place of other conditions on ${label}`} title="Only this" onClick={() => onQuery(onlyTerm(asked.query, field, v.value))}>
                  <Icon name="only" size={12} />
                </button>
              </span>
            </li>
          )
        })}
      </ul>
      {facet.distinct > facet.values.filter((v) => v.value !== '').length && (
        <button type="button" className={css.more} onClick={() => setLimit(limit === 8 ? 40 : limit * 4)} disabled={more.isFetching}>
          {more.isFetching ? 'Counting…' : `more, of ${count(facet.distinct)}`}
        </button>
      )}
    </>
  )
}
