import type { DetectMatched } from '../api/types.gen'
import { isNode, type Json, type Step } from '../event/tree'

// Where in an event stands what a test of a rule looked at. Most tests name a field, and that is a way through the JSON; some name
// what is derived (pod.privileged), which stands wherever a pod's template does. The server decides what matched: this only finds
// the place again for the eye, and says nothing where it finds none.

/** What a test reads, if it reads another field than its name says. */
const elsewhere: Record<string, string[]> = {
  actor: ['user.username', 'impersonatedUser.username'],
  peer: ['sourceIPs'],
  ip: ['sourceIPs'],
  'object.name': ['objectRef.name', 'requestObject.metadata.name', 'responseObject.metadata.name'],
  'object.namespace': ['objectRef.namespace', 'requestObject.metadata.namespace'],
  'exec.command': ['requestURI'],
  'exec.container': ['requestURI'],
  latency: ['requestReceivedTimestamp', 'stageTimestamp'],
  time: ['stageTimestamp'],
  hour: ['stageTimestamp'],
  weekday: ['stageTimestamp'],
  user: ['user.username'],
  as: ['impersonatedUser.username'],
  code: ['responseStatus.code'],
}

/** The ends of the ways, within a request's body, to what a derived field is made of. */
const derived: Record<string, string[]> = {
  'pod.hostPath': ['hostPath.path'],
  'pod.hostPathWritable': ['hostPath.path'],
  'pod.capability': ['capabilities.add'],
  'pod.container': ['containers.name', 'initContainers.name', 'ephemeralContainers.name'],
  'pod.command': ['containers.command', 'containers.args', 'initContainers.command', 'initContainers.args', 'ephemeralContainers.command', 'ephemeralContainers.args'],
  'pod.serviceAccount': ['serviceAccountName', 'serviceAccount'],
  'pod.seccomp': ['seccompProfile.type'],
  'pod.apparmor': ['appArmorProfile.type'],
  'pod.sysctl': ['sysctls.name'],
  'pod.volumeType': ['volumes'],
  'pod.secret': ['secret.secretName', 'secretKeyRef.name', 'secretRef.name'],
  'pod.node': ['nodeName'],
  'pod.imagePullSecret': ['imagePullSecrets.name'],
  'pod.automountToken': ['automountServiceAccountToken'],
  'pod.ephemeral': ['ephemeralContainers.name'],
  'role.verb': ['rules.verbs', 'verbs'],
  'role.resource': ['rules.resources', 'resources'],
  'role.apiGroup': ['rules.apiGroups', 'apiGroups'],
  'role.nonResourceURL': ['rules.nonResourceURLs', 'nonResourceURLs'],
  'role.grant': ['rules.verbs', 'rules.resources'],
  'binding.user': ['subjects.name'],
  'binding.group': ['subjects.name'],
  'binding.role': ['roleRef.name'],
  'csr.signer': ['spec.signerName'],
  'csr.user': ['spec.request'],
  'csr.group': ['spec.request'],
}

/** Fields of the ledger and not of the event. */
const ours = new Set(['cluster', 'origin', 'received', 'position', 'mark', 'dialect'])

export interface Tested {
  /** Its number, by which the event's lines name it. */
  n: number
  test: string
  field: string
  values: string[]
  /** It rules something out, instead of asking for it. */
  not: boolean
  /** It is about the window and not about one event. */
  window: boolean
  steps: Step[][]
}

/** The tests that an event passed, each with where it stands. */
export function tested(event: Json | undefined, matched: DetectMatched[]): Tested[] {
  let n = 0
  return matched.map((m) => {
    const test = m.test.replace(/^(not not )+/, '')
    const not = test.startsWith('not ')
    const steps = event === undefined || not || m.field === '' ? [] : stepsOf(event, m.field, m.values ?? [])
    const counted = steps.length > 0
    return { n: counted ? ++n : 0, test, field: m.field, values: m.values ?? [], not, window: m.field === '', steps }
  })
}

export const ofLedger = (field: string) => ours.has(field)

function stepsOf(event: Json, field: string, values: string[]): Step[][] {
  const places = elsewhere[field]
  if (places) return places.flatMap((p) => reach(event, p.split('.'), field === 'exec.command' || field === 'exec.container' ? [] : values))
  const head = /^(pod|role|binding|csr)\.(.+)$/.exec(field)
  if (head) return inBodies(event, derived[field] ?? [head[2]!], values)
  return reach(event, namesOf(field), values)
}

/** The names that a field is made of: a.b["c.d"]. The keys of annotations and extras hold dots themselves. */
export function namesOf(field: string): string[] {
  const key = /^(annotations|user\.extra|impersonatedUser\.extra)\.(.+)$/.exec(field)
  if (key) return [...key[1]!.split('.'), key[2]!]
  const names: string[] = []
  for (const m of field.matchAll(/\["((?:[^"\\]|\\.)*)"\]|([^.[\]]+)/g)) names.push(m[1] !== undefined ? m[1].replaceAll(/\\(.)/g, '$1') : m[2]!)
  return names
}

const mostSteps = 40

/** The places that a way of names leads to, through every element of arrays; those with the values, if any has one. */
function reach(event: Json, names: string[], values: string[]): Step[][] {
  const all: { steps: Step[]; value: Json }[] = []
  const walk = (value: Json, i: number, steps: Step[]) => {
    if (all.length >= 500) return
    if (Array.isArray(value)) return value.forEach((v, at) => walk(v, i, [...steps, at]))
    if (i === names.length) {
      all.push({ steps, value })
      return
    }
    if (!isNode(value)) return
    const next = names[i]!
    if (Object.hasOwn(value, next)) walk(value[next]!, i + 1, [...steps, next])
  }
  walk(event, 0, [])
  return those(all, values)
}

function those(all: { steps: Step[]; value: Json }[], values: string[]): Step[][] {
  const wanted = new Set(values)
  const exact = all.filter((a) => !isNode(a.value) && wanted.has(String(a.value)))
  return (exact.length > 0 ? exact : all).slice(0, mostSteps).map((a) => a.steps)
}

const mostLooked = 20_000

/** The places in a request's body whose ways end so. A body in which there are none is itself the place. */
function inBodies(event: Json, ends: string[], values: string[]): Step[][] {
  if (!isNode(event) || Array.isArray(event) || event.requestObject === undefined) return []
  const found: { steps: Step[]; value: Json }[] = []
  const stack: { value: Json; steps: Step[]; names: string }[] = [{ value: event.requestObject, steps: ['requestObject'], names: '' }]
  for (let looked = 0; stack.length > 0 && looked < mostLooked; looked++) {
    const { value, steps, names } = stack.pop()!
    if (!isNode(value)) {
      if (ends.some((e) => `.${names}`.endsWith(`.${e}`))) found.push({ steps, value })
      continue
    }
    const children = Array.isArray(value) ? value.map((v, i) => [i, v] as const) : Object.entries(value)
    for (let i = children.length - 1; i >= 0; i--) {
      const [key, child] = children[i]!
      stack.push({ value: child, steps: [...steps, key], names: typeof key === 'number' ? names : `${names}.${key}` })
    }
    if (ends.includes('volumes') && values.some((v) => /\.volumes$/.test(names) && Object.hasOwn(value, v))) {
      for (const v of values) if (Object.hasOwn(value, v)) found.push({ steps: [...steps, v], value: v })
    }
  }
  if (found.length === 0) return [['requestObject']]
  const plain = (v: string) => v.toUpperCase().replace(/^CAP_/, '')
  const some = new Set(values.map(plain))
  const words = new Set(values.flatMap((v) => v.split(' ')))
  const exact = found.filter((f) => some.has(plain(String(f.value))))
  const part = found.filter((f) => words.has(String(f.value)))
  return (exact.length > 0 ? exact : part.length > 0 ? part : found).slice(0, mostSteps).map((f) => f.steps)
}
