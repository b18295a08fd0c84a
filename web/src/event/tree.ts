// The rows of a JSON value as a foldable tree. Only what is open is ever looked at: a body of 10 MB costs as much as the rows on
// the screen.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

export type Step = string | number

export interface Row {
  id: string
  steps: Step[]
  depth: number
  value: Json
  kind: 'node' | 'leaf' | 'more'
  open: boolean
  children: number; // of a node
  shown: number; // of a 'more' row: how many of its parent's children stand above it
}

/** page is how many children of one parent are shown at a time. */
export const page = 200

export const isNode = (v: Json): v is Json[] | { [key: string]: Json } => typeof v === 'object' && v !== null

export const idOf = (steps: Step[]): string => JSON.stringify(steps)

const sizes = new WeakMap<object, number>()

export function sizeOf(v: Json[] | { [key: string]: Json }): number {
  if (Array.isArray(v)) return v.length
  let n = sizes.get(v)
  if (n === undefined) {
    n = Object.keys(v).length
    sizes.set(v, n)
  }
  return n
}

export interface Folding {
  open: ReadonlySet<string>
  pages: ReadonlyMap<string, number>; // children shown of a node, where it is more than a page
}

export function rowsOf(root: Json, folding: Folding): Row[] {
  const rows: Row[] = []
  const add = (value: Json, steps: Step[], depth: number) => {
    const id = idOf(steps)
    if (!isNode(value)) {
      rows.push({ id, steps, depth, value, kind: 'leaf', open: false, children: 0, shown: 0 })
      return
    }
    const children = sizeOf(value)
    const open = folding.open.has(id) && children > 0
    rows.push({ id, steps, depth, value, kind: 'node', open, children, shown: 0 })
    if (!open) return
    const shown = Math.min(children, folding.pages.get(id) ?? page)
    if (Array.isArray(value)) {
      for (let i = 0; i < shown; i++) add(value[i]!, [...steps, i], depth + 1)
    } else {
      let i = 0
      for (const key in value) {
        if (i++ === shown) break
        add(value[key]!, [...steps, key], depth + 1)
      }
    }
    if (shown < children) {
      rows.push({ id: id + '…', steps, depth: depth + 1, value: null, kind: 'more', open: false, children, shown })
    }
  }
  if (isNode(root)) {
    if (Array.isArray(root)) root.forEach((v, i) => add(v, [i], 0))
    else for (const key in root) add(root[key]!, [key], 0)
  } else add(root, [], 0)
  return rows
}

const plain = /^[A-Za-z_][A-Za-z0-9_]*$/

/** pathOf is the way to a value as jq takes it. */
export function pathOf(steps: Step[]): string {
  let path = ''
  for (const step of steps) {
    if (typeof step === 'number') path += `[${step}]`
    else if (plain.test(step)) path += `.${step}`
    else path += `${path === '' ? '.' : ''}[${JSON.stringify(step)}]`
  }
  return path === '' ? '.' : path
}

const paths = new Set(['requestObject', 'responseObject', 'responseStatus', 'authenticationMetadata'])

/** short are the names that people know fields by. */
const short: Record<string, string> = {
  'user.username': 'user',
  'user.groups': 'group',
  'impersonatedUser.username': 'as',
  'objectRef.resource': 'resource',
  'objectRef.subresource': 'subresource',
  'objectRef.apiGroup': 'apiGroup',
  'objectRef.namespace': 'ns',
  'objectRef.name': 'name',
  'responseStatus.code': 'code',
  userAgent: 'agent',
  requestURI: 'uri',
  auditID: 'id',
  stageTimestamp: 'time',
}

const searchable = new Set([
  'level', 'stage', 'verb', 'user.uid', 'impersonatedUser.uid', 'impersonatedUser.groups', 'sourceIPs', 'objectRef.uid',
  'objectRef.apiVersion', 'objectRef.resourceVersion', 'requestReceivedTimestamp', ...Object.keys(short),
])

const word = /^[A-Za-z0-9_\-/]+$/

/** fieldOf is the field of the search language that a value is found by; '' if there is none. */
export function fieldOf(steps: Step[]): string {
  const names = steps.filter((s): s is string => typeof s === 'string')
  if (names.length === 0) return ''
  const dotted = names.join('.')
  if (searchable.has(dotted)) return short[dotted] ?? dotted
  const [first, ...rest] = names as [string, ...string[]]
  if (first === 'annotations' && rest.length === 1) {
    const key = rest[0]!
    if (key === 'authorization.k8s.io/decision') return 'decision'
    if (key === 'authorization.k8s.io/reason') return 'reason'
    return /^[A-Za-z0-9_\-/.]+$/.test(key) ? dotted : `annotations[${JSON.stringify(key)}]`
  }
  if ((first === 'user' || first === 'impersonatedUser') && rest[0] === 'extra' && rest.length === 2) {
    return /^[A-Za-z0-9_\-/.]+$/.test(rest[1]!) ? dotted : `${first}.extra[${JSON.stringify(rest[1])}]`
  }
  if (paths.has(first) && rest.length > 0) {
    return rest.reduce((path, name) => path + (word.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`), first)
  }
  return ''
}

/** find gives the ways to the first values or names that hold the text, up to a limit. */
export function find(root: Json, text: string, limit: number): { hits: Step[][]; more: boolean } {
  const wanted = text.toLowerCase()
  const hits: Step[][] = []
  // A stack, since the nesting of hostile bodies is deeper than the engine's.
  const stack: { value: Json; steps: Step[] }[] = [{ value: root, steps: [] }]
  while (stack.length > 0) {
    const { value, steps } = stack.pop()!
    const last = steps[steps.length - 1]
    const named = typeof last === 'string' && last.toLowerCase().includes(wanted)
    if (named || (!isNode(value) && String(value).toLowerCase().includes(wanted))) {
      if (hits.length === limit) return { hits, more: true }
      hits.push(steps)
    }
    if (!isNode(value)) continue
    const below = Array.isArray(value) ? value.map((v, i) => [i, v] as const) : Object.entries(value)
    for (let i = below.length - 1; i >= 0; i--) stack.push({ value: below[i]![1], steps: [...steps, below[i]![0]] })
  }
  return { hits, more: false }
}

/** reveal opens whatever a way leads through. */
export function reveal(root: Json, steps: Step[], folding: { open: Set<string>; pages: Map<string, number> }): void {
  let value = root
  for (let i = 0; i < steps.length; i++) {
    if (!isNode(value)) return
    const id = idOf(steps.slice(0, i))
    folding.open.add(id)
    const at = Array.isArray(value) ? (steps[i] as number) : Object.keys(value).indexOf(steps[i] as string)
    if (at >= (folding.pages.get(id) ?? page)) folding.pages.set(id, (Math.floor(at / page) + 1) * page)
    value = (Array.isArray(value) ? value[steps[i] as number] : value[steps[i] as string]) ?? null
  }
}
