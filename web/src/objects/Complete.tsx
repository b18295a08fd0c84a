import { useQuery } from '@tanstack/react-query'
import { type KeyboardEvent, type ReactNode, useDeferredValue, useEffect, useId, useRef, useState } from 'react'
import { type AskError, ask } from '../api/client'
import type { Values } from '../api/types.gen'
import { inert } from '../event/inert'
import { count } from '../state/time'
import s from './Complete.module.css'

interface Props {
  label: string
  about?: ReactNode
  value: string
  onChange: (value: string) => void
  /** A value was taken from the list. */
  onPick?: (value: string) => void
  /** The search language's field whose values complete what is typed; without one nothing does. */
  field?: string
  /** Which events the values are of. */
  of?: { query?: string; since?: string; until?: string; clusters?: string[] }
  placeholder?: string
  required?: boolean
  autoFocus?: boolean
  name?: string
}

/** A text that is completed with the values that there are, the most frequent first. */
export function Complete({ label, about, value, onChange, onPick, field, of, placeholder, required, autoFocus, name }: Props) {
  const id = useId()
  const [open, setOpen] = useState(false)
  const [active, setActive] = useState(-1)
  const input = useRef<HTMLInputElement>(null)
  const prefix = useDeferredValue(value)
  const question = { ...of, field, prefix, limit: 12 }
  const found = useQuery<Values, AskError>({
    queryKey: ['values', question],
    queryFn: async ({ signal }) => (await ask<never, Values>('values', question, { signal })).end,
    enabled: open && field !== undefined,
    placeholderData: (before) => before,
    staleTime: 30_000,
  })
  const values = (found.data?.values ?? []).filter((v) => v.value !== '')
  useEffect(() => setActive(-1), [value])
  const shown = open && values.length > 0 && !(values.length === 1 && values[0]?.value === value)

  const pick = (v: string) => {
    onChange(v)
    setOpen(false)
    onPick?.(v)
  }
  const onKey = (e: KeyboardEvent) => {
    if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
      e.preventDefault()
      if (!shown) return setOpen(true)
      const by = e.key === 'ArrowDown' ? 1 : -1
      setActive((a) => (a + by + values.length + (a < 0 && by < 0 ? 1 : 0)) % values.length)
    } else if (e.key === 'Enter' && shown && values[active]) {
      e.preventDefault()
      pick(values[active].value)
    } else if (e.key === 'Escape' && shown) {
      e.preventDefault()
      e.stopPropagation()
      setOpen(false)
    }
  }
  return (
    <div className={s.field}>
      <label htmlFor={id}>
        {label}
        {required && <span aria-hidden="true"> *</span>}
      </label>
      <input
        ref={input}
        id={id}
        name={name}
        role="combobox"
        aria-expanded={shown}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={shown && active >= 0 ? `${id}-${active}` : undefined}
        aria-describedby={about ? `${id}-about` : undefined}
        aria-required={required}
        autoComplete="off"
        spellCheck={false}
        autoFocus={autoFocus}
        value={value}
        placeholder={placeholder}
        onChange={(e) => {
          onChange(e.currentTarget.value)
          setOpen(true)
        }}
        onFocus={() => setOpen(!autoFocus || value !== '')}
        onClick={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyDown={onKey}
      />
      {about && (
        <span id={`${id}-about`} className={s.about}>
          {about}
        </span>
      )}
      <ul id={`${id}-list`} role="listbox" aria-label={`Values of ${label}`} className={s.list} hidden={!shown}>
        {values.map((v, i) => (
          <li
            key={v.value}
            id={`${id}-${i}`}
            role="option"
            aria-selected={i === active}
            onMouseDown={(e) => {
              e.preventDefault() // the field keeps its focus
              pick(v.value)
            }}
          >
            <span>{inert(v.value)}</span>
            <span className="soft">{count(v.count)}</span>
          </li>
        ))}
      </ul>
    </div>
  )
}
