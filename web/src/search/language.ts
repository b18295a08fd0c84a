import { HighlightStyle, StreamLanguage, syntaxHighlighting } from '@codemirror/language'
import { tags } from '@lezer/highlight'

// The search language's colours. The server alone says what a search means; here its words are told apart for the eye.

export const language = StreamLanguage.define<{ value: boolean }>({
  startState: () => ({ value: false }),
  token(stream, state) {
    if (stream.eatSpace()) {
      state.value = false
      return null
    }
    if (stream.match(/^"(?:[^"\\]|\\.)*"?/)) {
      state.value = false
      return 'string'
    }
    if (stream.eat('(') || stream.eat(')')) return 'bracket'
    if (!state.value) {
      if (stream.match(/^(and|or|not)(?=[\s()"]|$)/i)) return 'keyword'
      if (stream.match(/^[-!](?=\S)/)) return 'operator'
      if (stream.match(/^[A-Za-z][\w./$-]*(?=\[|:|=|!=|[<>])/)) return 'propertyName'
      if (stream.match(/^\["(?:[^"\\]|\\.)*"\]/)) return 'propertyName'
    }
    if (!state.value && stream.match(/^(:|!=|>=|<=|=|>|<)/)) {
      state.value = true
      return 'operator'
    }
    if (stream.match(/^\*/)) return 'special'
    if (stream.match(/^[^\s()"*]+/)) return state.value ? 'atom' : 'variableName'
    stream.next()
    return null
  },
  tokenTable: { special: tags.special(tags.atom) },
})

export const colours = syntaxHighlighting(
  HighlightStyle.define([
    { tag: tags.propertyName, color: 'var(--accent)' },
    { tag: tags.operator, color: 'var(--soft)' },
    { tag: tags.keyword, color: 'var(--s4)', fontWeight: '600' },
    { tag: tags.string, color: 'var(--ok)' },
    { tag: tags.atom, color: 'var(--ink)' },
    { tag: tags.special(tags.atom), color: 'var(--warn)', fontWeight: '700' },
    { tag: tags.bracket, color: 'var(--soft)' },
  ]),
)
