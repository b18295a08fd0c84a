import { Component, lazy, type ReactNode, Suspense, useEffect, useRef, useState } from 'react'
import { AskError } from '../api/client'
import { useFields } from '../api/hooks'
import { Button, Icon, IconButton } from '../components'
import { inert } from '../event/inert'
import { isBoolean, usePref } from '../state/prefs'
import { chipsOf, withoutChip } from '../state/query'
import type { RangeState } from '../state/range'
import { Saved } from './Saved'
import css from './search.module.css'

const Editor = lazy(() => import('./Editor'))

interface Props {
  query: string
  range: RangeState
  busy: boolean
  error?: Error
  onRun: (query: string) => void
  onCancel: () => void
}

/** Where the editor cannot be loaded, the plain line stays. */
class Fallback extends Component<{ to: ReactNode; children: ReactNode }, { failed: boolean }> {
  state = { failed: false }

  static getDerivedStateFromError() {
    return { failed: true }
  }

  render() {
    return this.state.failed ? this.props.to : this.props.children
  }
}

interface Mistake {
  text: string
  /** Where the message points, in the search; only if the message shows all that stands before. */
  at?: number
  /** The part of the search that it shows, and the caret below it. */
  lines?: string
}

/** The server's message of a search that cannot be read, taken apart. */
export function mistakeOf(error: Error | undefined): Mistake | undefined {
  if (!(error instanceof AskError) || error.kind !== 'usage') return undefined
  const lines = error.message.split('\n')
  const caret = lines.findIndex((l) => /^\s*\^\s*$/.test(l))
  if (caret < 1) return { text: error.message }
  const shown = lines[caret - 1]!.slice(2)
  const at = lines[caret]!.indexOf('^') - 2
  return { text: lines.slice(0, caret - 1).join('\n'), at: shown.startsWith('…') ? undefined : at, lines: `${shown}\n${lines[caret]!.slice(2)}` }
}

/** The search: as text with colours and completion, or as chips that can be removed. */
export function QueryLine({ query, range, busy, error, onRun, onCancel }: Props) {
  const [text, setText] = useState(query)
  const [chips, setChips] = usePref('chips', false, isBoolean)
  const [touched, setTouched] = useState(false)
  const input = useRef<HTMLInputElement>(null)
  const typing = useRef(false)
  const fields = useFields()
  useEffect(() => setText(query), [query])
  const mistake = mistakeOf(error)
  const shown = mistake && text === query
  const terms = chips ? chipsOf(query) : undefined
  const plain = (
    <input
      ref={input}
      className={css.plain}
      value={text}
      onChange={(e) => setText(e.target.value)}
      onFocus={() => {
        typing.current = true
        setTouched(true)
      }}
      onBlur={() => {
        typing.current = false
      }}
      onKeyDown={(e) => {
        if (e.key === 'Enter') onRun(text)
        if (e.key === 'Escape') onCancel()
      }}
      aria-label="Search"
      aria-invalid={!!shown}
      aria-describedby="query-wrong"
      placeholder="Search: verb:delete resource:secrets -user:system:* ns:prod  —  empty finds everything"
      spellCheck={false}
      autoComplete="off"
      autoCapitalize="off"
    />
  )
  return (
    <section className={css.query} aria-label="Search" role="search">
      <div className={css.line}>
        <div className={css.field} data-query data-wrong={shown ? true : undefined}>
          <Icon name="search" size={16} />
          <div className={css.editor}>
            {touched ? (
              <Fallback to={plain}>
                <Suspense fallback={plain}>
                <Editor
                  value={text}
                  label="Search"
                  wrongAt={shown ? mistake.at : undefined}
                  invalid={!!shown}
                  describedBy="query-wrong"
                  around={{ fields: fields.data ?? [], ...range.of }}
                  focus={typing.current}
                  selection={input.current?.selectionStart ?? undefined}
                  onChange={setText}
                  onRun={onRun}
                  onCancel={onCancel}
                />
                </Suspense>
              </Fallback>
            ) : (
              plain
            )}
          </div>
          {text !== '' && (
            <IconButton
              icon="close"
              small
              label="Clear the search"
              onClick={() => {
                setText('')
                onRun('')
              }}
            />
          )}
          <IconButton icon="filter" small label={chips ? 'Show as text alone' : 'Show conditions as chips'} aria-pressed={chips} onClick={() => setChips(!chips)} />
          <Saved query={query} onRun={onRun} />
        </div>
        {busy ? (
          <Button icon="stop" onClick={onCancel} className={css.run}>
            Cancel
          </Button>
        ) : (
          <Button kind="primary" onClick={() => onRun(text)} className={css.run}>
            Search
          </Button>
        )}
      </div>
      {chips && (
        <div className={css.chips} role="group" aria-label="Conditions">
          {terms?.length ? (
            terms.map((c) => (
              <span key={c.from} className={css.chip} data-not={/^([-!]|not\s)/i.test(c.text) || undefined}>
                <code>{inert(c.text)}</code>
                <button type="button" aria-label={`Remove ${inert(c.text)}`} onClick={() => onRun(withoutChip(query, c))}>
                  <Icon name="close" size={11} />
                </button>
              </span>
            ))
          ) : (
            <span className="soft">{query === '' ? 'No conditions: every event' : 'The search has alternatives (OR) and is shown as text.'}</span>
          )}
        </div>
      )}
      <div id="query-wrong" role="alert" className={css.wrong}>
        {shown && (
          <>
            {mistake.lines && <pre aria-hidden="true">{mistake.lines}</pre>}
            <p>
              <Icon name="alert" size={14} /> {mistake.text}
            </p>
          </>
        )}
      </div>
    </section>
  )
}
