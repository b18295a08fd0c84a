import type { Event } from '../api/types'
import { inert } from '../event/inert'
import css from './sentence.module.css'

/** An event in words; the parts that people look for stand out. */
export function Sentence({ event }: { event: Pick<Event, 'sentence' | 'user' | 'name' | 'impersonatedUser'> }) {
  // Service accounts and nodes stand in sentences by their own names.
  const strong = [event.user, own(event.user), event.impersonatedUser, own(event.impersonatedUser), event.name].filter((s): s is string => !!s && s.length > 1)
  return <span className={css.sentence}>{pieces(event.sentence, strong)}</span>
}

const own = (user: string | undefined) => /^system:(?:serviceaccount:[^:]+|node):([^:]+)$/.exec(user ?? '')?.[1]

function pieces(text: string, strong: string[]) {
  const out: (string | { at: number; text: string })[] = []
  let from = 0
  while (from < text.length) {
    let at = -1
    let found = ''
    for (const s of strong) {
      const i = text.indexOf(s, from)
      if (i >= 0 && (at < 0 || i < at || (i === at && s.length > found.length)) && bounded(text, i, s.length)) {
        at = i
        found = s
      }
    }
    if (at < 0) break
    if (at > from) out.push(text.slice(from, at))
    out.push({ at, text: found })
    from = at + found.length
  }
  if (from < text.length) out.push(text.slice(from))
  return out.map((p) => (typeof p === 'string' ? inert(p) : <b key={p.at}>{inert(p.text)}</b>))
}

const inside = /[\p{L}\p{N}]/u

function bounded(text: string, at: number, n: number): boolean {
  return !inside.test(text[at - 1] ?? ' ') && !inside.test(text[at + n] ?? ' ')
}
