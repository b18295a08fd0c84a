import { acceptCompletion, autocompletion, closeCompletion, completionKeymap, completionStatus } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { Compartment, EditorState, Prec, StateEffect, StateField } from '@codemirror/state'
import { Decoration, EditorView, highlightSpecialChars, keymap, placeholder } from '@codemirror/view'
import { useEffect, useRef } from 'react'
import { nonce } from '../nonce'
import { type Around, completeWith } from './complete'
import { colours, language } from './language'

export interface EditorProps {
  value: string
  label: string
  /** Where the server found a mistake; a column, from 0. */
  wrongAt?: number
  around: Around
  describedBy?: string
  invalid: boolean
  focus: boolean
  selection?: number
  onChange: (text: string) => void
  onRun: (text: string) => void
  onCancel: () => void
}

const setWrong = StateEffect.define<number | undefined>()
const wrong = StateField.define({
  create: () => Decoration.none,
  update(marks, tr) {
    let next = tr.docChanged ? Decoration.none : marks
    for (const e of tr.effects)
      if (e.is(setWrong)) {
        const size = tr.newDoc.length
        const at = e.value === undefined ? undefined : Math.min(e.value, Math.max(0, size - 1))
        if (at === undefined || size === 0) next = Decoration.none
        else {
          const word = /^[^\s()]*/.exec(tr.newDoc.sliceString(at))?.[0].length ?? 1
          next = Decoration.set([Decoration.mark({ class: 'cm-wrong' }).range(at, Math.min(size, at + Math.max(1, word)))])
        }
      }
    return next
  },
  provide: (f) => EditorView.decorations.from(f),
})

const looks = EditorView.theme({
  '&': { backgroundColor: 'transparent', color: 'var(--ink)', fontSize: '0.9375rem' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.5', overflowX: 'auto', scrollbarWidth: 'none' },
  '.cm-content': { padding: '0.42rem 0', caretColor: 'var(--ink)' },
  '.cm-line': { padding: '0 0.2rem' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'var(--pick) !important' },
  '.cm-placeholder': { color: 'var(--soft)' },
  '.cm-wrong': { textDecoration: 'underline wavy var(--bad)', textUnderlineOffset: '4px' },
  '.cm-tooltip.cm-tooltip-below': { marginTop: '0.5rem' },
  '.cm-tooltip': { border: '1px solid var(--line)', borderRadius: '5px', backgroundColor: 'var(--panel)', color: 'var(--ink)', boxShadow: 'var(--shadow)' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mono)', fontSize: '0.8125rem', maxHeight: '20rem', minWidth: '18rem' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': { padding: '0.25rem 0.6rem', display: 'flex', gap: '1rem', alignItems: 'baseline' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--pick)', color: 'var(--ink)' },
  '.cm-completionDetail': { marginLeft: 'auto', fontFamily: 'var(--sans)', fontStyle: 'normal', color: 'var(--soft)', fontSize: '0.75rem', maxWidth: '26rem', overflow: 'hidden', textOverflow: 'ellipsis' },
  '.cm-completionMatchedText': { textDecoration: 'none', fontWeight: '700', color: 'var(--accent)' },
})

/** The search line with colours, completion, and mistakes marked at their place. */
export default function Editor(props: EditorProps) {
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView>(undefined)
  const now = useRef(props)
  now.current = props
  const described = useRef(new Compartment())

  useEffect(() => {
    const attributes = () =>
      EditorView.contentAttributes.of({
        'aria-label': now.current.label,
        'aria-describedby': now.current.describedBy ?? '',
        'aria-invalid': String(now.current.invalid),
        'aria-multiline': 'false',
        spellcheck: 'false',
        autocapitalize: 'off',
      })
    const v = new EditorView({
      parent: host.current!,
      state: EditorState.create({
        doc: now.current.value,
        selection: { anchor: Math.min(now.current.selection ?? now.current.value.length, now.current.value.length) },
        extensions: [
          EditorView.cspNonce.of(nonce()),
          // One line: what is pasted or typed with a newline becomes words beside each other.
          EditorState.transactionFilter.of((tr) => (tr.docChanged && tr.newDoc.lines > 1 ? [tr, { changes: joined(tr.newDoc.toString()), sequential: true }] : tr)),
          Prec.highest(
            keymap.of([
              {
                key: 'Enter',
                run: (v) => {
                  if (completionStatus(v.state) === 'active' && acceptCompletion(v)) return true
                  closeCompletion(v)
                  now.current.onRun(v.state.doc.toString())
                  return true
                },
              },
              { key: 'Tab', run: (v) => completionStatus(v.state) === 'active' && acceptCompletion(v) },
              {
                key: 'Escape',
                run: (v) => {
                  if (!closeCompletion(v)) now.current.onCancel()
                  return true
                },
              },
            ]),
          ),
          keymap.of([...completionKeymap, ...historyKeymap, ...defaultKeymap]),
          // What would turn or hide the text around it is drawn as a dot.
          highlightSpecialChars({ addSpecialChars: /[\u200d\u202a-\u202c\u2060-\u2064\u2066-\u2069]/g }),
          history(),
          language,
          colours,
          looks,
          wrong,
          placeholder('Search: verb:delete resource:secrets -user:system:* ns:prod  —  empty finds everything'),
          autocompletion({ override: [completeWith(() => now.current.around)], icons: false, activateOnTypingDelay: 60, selectOnOpen: false, closeOnBlur: true }),
          described.current.of(attributes()),
          EditorView.updateListener.of((u) => {
            if (u.docChanged) now.current.onChange(u.state.doc.toString())
          }),
        ],
      }),
    })
    view.current = v
    if (now.current.focus) v.focus()
    return () => v.destroy()
  }, [])

  useEffect(() => {
    const v = view.current
    if (v && v.state.doc.toString() !== props.value) v.dispatch({ changes: { from: 0, to: v.state.doc.length, insert: props.value }, selection: { anchor: props.value.length } })
  }, [props.value])

  useEffect(() => {
    view.current?.dispatch({
      effects: [
        setWrong.of(props.wrongAt),
        described.current.reconfigure(
          EditorView.contentAttributes.of({
            'aria-label': props.label,
            'aria-describedby': props.describedBy ?? '',
            'aria-invalid': String(props.invalid),
            'aria-multiline': 'false',
            spellcheck: 'false',
            autocapitalize: 'off',
          }),
        ),
      ],
    })
  }, [props.wrongAt, props.invalid, props.label, props.describedBy])

  return <div ref={host} />
}

function joined(text: string) {
  const changes = []
  for (const m of text.matchAll(/\s*\n\s*/g)) changes.push({ from: m.index, to: m.index + m[0].length, insert: ' ' })
  return changes
}
