import { quote } from '../components'
import type { Asked } from './useResults'

/** The same answer on the command line. */
export function cliOf({ query, since, until, clusters }: Asked, extra = ''): string {
  const parts = ['annals search']
  if (query) parts.push(quote(query))
  if (since) parts.push(`--since ${since}`)
  if (until) parts.push(`--until ${until}`)
  for (const c of clusters ?? []) parts.push(`--cluster ${quote(c)}`)
  return parts.join(' ') + extra
}

/** What fetches a file from the server. */
export function curlOf(path: string, file: string): string {
  return `curl -sS -H "Authorization: Bearer $ANNALS_TOKEN" ${quote(window.location.origin + path)} -o ${file}`
}
