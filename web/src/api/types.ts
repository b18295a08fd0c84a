// The types of the API's questions and answers, by the names that the Go sources have.

export interface Range {
  query?: string
  since?: string
  until?: string
  clusters?: string[]
}

export type Mark = 'salvaged' | 'quarantined' | 'truncated' | 'conflict' | 'redacted' | 'duplicate-member'

export interface Event {
  cluster: string
  position: number
  origin: string
  alsoFrom?: string[]
  received: string
  marks?: string[]
  note?: string
  time: string
  auditID?: string
  level?: string
  stage?: string
  verb?: string
  user?: string
  impersonatedUser?: string
  apiGroup?: string
  resource?: string
  subresource?: string
  namespace?: string
  name?: string
  code?: number
  sourceIPs?: string[]
  userAgent?: string
  requestURI?: string
  decision?: string
  reason?: string
  latency?: number
  sentence: string
  event?: unknown
  raw?: string
}

export interface ClusterCoverage {
  name: string
  from: number
  to: number
}

export interface Coverage {
  clusters: ClusterCoverage[]
  since?: string
  until?: string
  considered: number
  returned: number
  salvaged: number
  quarantined: number
  truncated: number
  conflicts: number
  scope?: string
  withoutBodies?: boolean
  limitReached: boolean
  complete: boolean
  why?: string[]
  seconds: number
}

export interface Value {
  value: string
  count: number
}

export interface HitSeries {
  value: string
  others?: boolean
  total: number
  counts: number[]
}

export interface Nearest {
  before?: string
  after?: string
}

export interface Hits {
  from: string
  to: string
  step: number
  total: number
  by?: string
  series: HitSeries[]
  coverage?: Coverage
  nearest?: Nearest
}

export interface Facet {
  field: string
  values: Value[]
  distinct: number
  absent: number
}

export interface Neighbours {
  by: string
  search: string
  before: Event[]
  after: Event[]
  coverage?: Coverage
}

export interface Seven {
  what: string
  when: string
  who: string
  onWhat: string
  observed: string
  from: string
  to: string
}

export interface Field {
  name: string
  aliases?: string[]
  kind: string
  about: string
  values?: string[]
  facet?: boolean
}

export interface Values {
  values: Value[]
  coverage?: Coverage
}

export interface ProofState {
  signed: boolean
  checkpoint: number
  at?: string
  verified?: string
  verdict?: string
  publicKey?: string
}

export interface EventDetail {
  event: Event
  seven: Seven
  stages: Event[]
  proof: ProofState
  coverage?: Coverage
}

export interface Me {
  name: string
  role: string
  scope?: string
  bodies: boolean
  expires?: string
  anonymous?: boolean
  canSQL: boolean
  canProve: boolean
  canVerify: boolean
  canImport: boolean
  canTokens: boolean
  version: string
  clusters: string[]
}

export interface LedgerState {
  cluster: string
  events?: number
  lastEvent?: string
  lastArrival?: string
  proof: ProofState
}

export interface Overview {
  events: number
  failures: number
  actors: Value[]
  secrets: number
  sessions: number
  denied: number
  deletions: number
  privileges: number
  failing: Value[]
  ledger: LedgerState[]
  coverage?: Coverage
}
