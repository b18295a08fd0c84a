// The types of the API, by the names of the Go sources, and what the UI adds to them.
export * from './types.gen'

/** What most questions have: which events they are about. */
export interface Range {
  query?: string
  since?: string
  until?: string
  clusters?: string[]
}
