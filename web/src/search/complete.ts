import type { Completion, CompletionContext, CompletionResult } from '@codemirror/autocomplete'
import { ask, isAbort } from '../api/client'
import type { Field, Values } from '../api/types'
import { inert } from '../event/inert'
import { quoted } from '../state/query'
import { short } from '../state/time'

export interface Around {
  fields: Field[]
  since?: string
  until?: string
  clusters?: string[]
}

const pause = 120

/** What may stand at the cursor: fields, and behind a field's name the values that there are in the range. */
export function completeWith(around: () => Around) {
  return async (context: CompletionContext): Promise<CompletionResult | null> => {
    const before = context.state.sliceDoc(0, context.pos)
    const value = /(?:^|[\s(])[-!]?([A-Za-z][\w./$-]*)(:|=|!=)(?:\((?:[^()"]*\s)?)?("?)([^\s()"]*)$/.exec(before)
    if (value) return values(context, around(), value[1]!, value[3]!, value[4]!)
    const name = /(?:^|[\s(])[-!]?([A-Za-z][\w./$-]*)?$/.exec(before)
    if (!name || (!name[1] && !context.explicit)) return null
    return fields(around().fields, context.pos - (name[1]?.length ?? 0))
  }
}

function fields(all: Field[], from: number): CompletionResult {
  const options: Completion[] = all.flatMap((f) => {
    const label = f.aliases?.[0] ?? f.name
    const names = [label, ...[f.name, ...(f.aliases ?? [])].filter((n) => n !== label)]
    return names.map((n, i) => ({
      label: n,
      apply: f.kind === 'object' ? `${n}.` : `${n}:`,
      detail: i === 0 ? f.about : `= ${label}`,
      type: 'property',
      boost: (f.facet ? 20 : 0) - i * 30,
    }))
  })
  return { from, options, validFor: /^[\w./$-]*$/ }
}

async function values(context: CompletionContext, around: Around, name: string, quote: string, typed: string): Promise<CompletionResult | null> {
  const from = context.pos - typed.length - quote.length
  const field = around.fields.find((f) => f.name === name || f.aliases?.includes(name))
  const option = (value: string, detail?: string): Completion => ({ label: value, displayLabel: inert(value), apply: quoted(value), detail, type: 'constant' })
  if (field?.values?.length) return { from, options: field.values.map((v) => option(v)), validFor: /^"?[^\s()"]*$/ }
  const control = new AbortController()
  context.addEventListener('abort', () => control.abort(), { onDocChange: true })
  await new Promise((done) => setTimeout(done, pause))
  if (context.aborted || control.signal.aborted) return null
  const { since, until, clusters } = around
  try {
    const { end } = await ask<never, Values>('values', { field: name, prefix: typed, since, until, clusters }, { signal: control.signal })
    if (end.values.length === 0) return null
    return {
      from,
      options: end.values.filter((v) => v.value !== '').map((v) => option(v.value, short(v.count))),
      filter: false,
    }
  } catch (e) {
    // No values are no reason to disturb whoever types.
    if (!isAbort(e)) console.debug('values', e)
    return null
  }
}
