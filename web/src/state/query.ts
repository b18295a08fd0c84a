// A search is text. Here it is taken apart into the terms that stand beside each other, for chips, and terms are added to it.
// Only the server says what a search means; what cannot be taken apart stays one piece.

export interface Chip {
  /** The term as it stands, with its - or !. */
  text: string
  from: number
  to: number
}

/** The terms of a search, or undefined where an OR or an odd quote makes it one piece. */
export function chipsOf(query: string): Chip[] | undefined {
  const chips: Chip[] = []
  let i = 0
  while (i < query.length) {
    if (/\s/.test(query[i]!)) {
      i++
      continue
    }
    const from = i
    let depth = 0
    while (i < query.length && (depth > 0 || !/\s/.test(query[i]!))) {
      const c = query[i]!
      if (c === '"') {
        i++
        while (i < query.length && query[i] !== '"') i += query[i] === '\\' ? 2 : 1
        if (i >= query.length) return undefined
      } else if (c === '(') depth++
      else if (c === ')') depth--
      if (depth < 0) return undefined
      i++
    }
    if (depth !== 0) return undefined
    const text = query.slice(from, i)
    const word = text.toLowerCase()
    if (word === 'or') return undefined
    if (word === 'and') continue
    const last = chips.at(-1)
    if (last?.text.toLowerCase() === 'not') {
      last.text = query.slice(last.from, i)
      last.to = i
      continue
    }
    chips.push({ text, from, to: i })
  }
  return chips
}

export function withoutChip(query: string, chip: Chip): string {
  return `${query.slice(0, chip.from)} ${query.slice(chip.to)}`.replace(/\s+/g, (s, at: number) => (insideQuotes(query, at) ? s : ' ')).trim()
}

function insideQuotes(text: string, at: number): boolean {
  let inside = false
  for (let i = 0; i < at; i++) {
    if (text[i] === '\\' && inside) i++
    else if (text[i] === '"') inside = !inside
  }
  return inside
}

/** A value as it is written behind a field: quoted where it must be. A star stays a star. */
export function quoted(value: string): string {
  return value !== '' && /^[^\s()"*\\]+$/.test(value) ? value : `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

/** field:value, or -field:value; "" is absence. */
export function term(field: string, value: string, exclude = false): string {
  const name = /^[A-Za-z][\w./$-]*$/.test(field) ? field : field.replace(/^(annotations|user\.extra|impersonatedUser\.extra)\.(.+)$/, (_, a, k) => `${a}[${JSON.stringify(k)}]`)
  return `${exclude ? '-' : ''}${name}:${quoted(value)}`
}

/** The search with one more condition; the opposite one, if it stands there, goes. */
export function addTerm(query: string, field: string, value: string, exclude = false): string {
  const wanted = term(field, value, exclude)
  const opposite = term(field, value, !exclude)
  const chips = chipsOf(query)
  if (!chips) return query.trim() ? `(${query.trim()}) ${wanted}` : wanted
  if (chips.some((c) => c.text === wanted)) return query
  const there = chips.find((c) => c.text === opposite)
  return `${there ? withoutChip(query, there) : query.trim()} ${wanted}`.trim()
}

/** The search with this condition in place of all others on the field. */
export function onlyTerm(query: string, field: string, value: string): string {
  let rest = query
  for (;;) {
    const chip = chipsOf(rest)?.find((c) => c.text.replace(/^[-!]/, '').startsWith(`${field}:`) || c.text.replace(/^[-!]/, '').startsWith(`${field}=`))
    if (!chip) break
    rest = withoutChip(rest, chip)
  }
  return addTerm(rest, field, value)
}

/** Whether the search has this very condition. */
export function hasTerm(query: string, field: string, value: string, exclude = false): boolean {
  const wanted = term(field, value, exclude)
  return chipsOf(query)?.some((c) => c.text === wanted) ?? false
}
