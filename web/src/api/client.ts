// Every answer of the API is lines of JSON, each an object with one member: "item" as often as there is something to tell, then
// "end", or "error". An answer without a last line was cut off, and is never taken for a whole one.

export class AskError extends Error {
  constructor(
    readonly kind: string,
    message: string,
    readonly status = 0,
  ) {
    super(message)
    this.name = 'AskError'
  }
}

export interface AskOptions<Item> {
  signal?: AbortSignal
  /** Items are handed over as they come, some at a time, and are not kept for the answer. */
  onItems?: (items: Item[]) => void
}

export interface Answer<Item, End> {
  items: Item[]
  end: End
}

const longest = 4000

/** The address of a question, as curl takes it. */
export function pathOf(name: string, question: object = {}): string {
  const p = new URLSearchParams()
  for (const [key, value] of Object.entries(question)) {
    if (value === undefined || value === '' || value === false) continue
    for (const one of Array.isArray(value) ? value : [value]) p.append(key, String(one))
  }
  const text = p.toString()
  return `/api/v1/${name}${text ? `?${text}` : ''}`
}

function flat(question: object): boolean {
  return Object.values(question).every((v) => typeof v !== 'object' || v === null || Array.isArray(v))
}

/** Ask a question: a GET where it fits into an address, else a POST with the same members as JSON. */
export async function ask<Item = never, End = unknown>(
  name: string,
  question: object = {},
  { signal, onItems }: AskOptions<Item> = {},
): Promise<Answer<Item, End>> {
  const path = pathOf(name, question)
  const get = flat(question) && path.length < longest
  return send<Item, End>(get ? path : `/api/v1/${name}`, get ? {} : { method: 'POST', body: JSON.stringify(question) }, { signal, onItems })
}

export async function send<Item, End>(path: string, init: RequestInit, { signal, onItems }: AskOptions<Item>): Promise<Answer<Item, End>> {
  let response: Response
  try {
    response = await fetch(path, {
      ...init,
      signal,
      credentials: 'same-origin',
      headers: { Accept: 'application/x-ndjson', ...(init.body ? { 'Content-Type': 'application/json' } : {}) },
    })
  } catch (e) {
    if (signal?.aborted) throw e
    throw new AskError('offline', 'The server cannot be reached. It may have stopped, or this machine is offline; nothing was answered.')
  }
  if (response.status === 401) signedOut()
  const items: Item[] = []
  let end: { value: End } | undefined
  try {
    for await (const batch of lines(response)) {
      const some: Item[] = []
      for (const text of batch) {
        const line = JSON.parse(text) as { item?: Item; end?: End; error?: { kind: string; message: string } }
        if (line.error) {
          if (some.length) (onItems ?? ((more) => items.push(...more)))(some)
          throw new AskError(line.error.kind, line.error.message, response.status)
        }
        if ('item' in line) some.push(line.item as Item)
        else if ('end' in line) end = { value: line.end as End }
      }
      if (some.length) (onItems ?? ((more) => items.push(...more)))(some)
    }
  } catch (e) {
    if (e instanceof AskError || signal?.aborted) throw e
    if (!response.ok) throw new AskError('failed', `The server answered ${response.status} ${response.statusText}.`, response.status)
    if (e instanceof SyntaxError) throw new AskError('failed', 'The answer is not one of this API. Is there a proxy between this page and the server?')
    throw cut()
  }
  if (!response.ok) throw new AskError('failed', `The server answered ${response.status} ${response.statusText}.`, response.status)
  if (!end) throw cut()
  return { items, end: end.value }
}

const cut = () =>
  new AskError('cut', 'The answer was cut off before its end: the server stopped, or ran into an error that its log tells. What is shown is not all.')

/** The lines of a body, as many at a time as arrived together. */
async function* lines(response: Response): AsyncGenerator<string[]> {
  if (!response.body) return
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      rest += value
      const all = rest.split('\n')
      rest = all.pop() ?? ''
      const whole = all.filter((l) => l !== '')
      if (whole.length) yield whole
    }
    if (rest.trim()) yield [rest]
  } finally {
    reader.cancel().catch(() => {})
  }
}

type Listener = () => void
const listeners = new Set<Listener>()

/** Be told when the server no longer knows who asks. */
export function onSignedOut(f: Listener): () => void {
  listeners.add(f)
  return () => listeners.delete(f)
}

function signedOut() {
  for (const f of listeners) f()
}

export function isAbort(e: unknown): boolean {
  return e instanceof DOMException && e.name === 'AbortError'
}
