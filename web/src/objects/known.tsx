import type { ObjectKnown, ObjectVersion } from '../api/types.gen'
import s from './objects.module.css'

const about: Record<ObjectKnown, string> = {
  observed: 'The API server’s own answer holds the whole object.',
  derived: 'It follows from a version that was seen and the patches since, or from a request without the server’s defaults.',
  partial: 'Parts of it are known, others are not.',
  unknown: 'That there was a change is known, not what.',
  gone: 'The object was deleted.',
}

/** How much of a version is known, in a word with a swatch as in the bars. */
export function KnownBadge({ version }: { version: ObjectVersion }) {
  return (
    <span className={s.known} title={version.why || about[version.known]}>
      <span className={s.swatch} data-known={version.known} aria-hidden="true" />
      {version.known}
    </span>
  )
}

export function Legend() {
  return (
    <ul className={s.legend} aria-label="What the bars mean">
      {(Object.keys(about) as ObjectKnown[]).map((k) => (
        <li key={k} title={about[k]}>
          <span className={s.swatch} data-known={k} aria-hidden="true" />
          {k === 'gone' ? 'deleted' : k}
        </li>
      ))}
      <li title="Between two versions there was one that nobody saw.">
        <span className={s.missed} aria-hidden="true" />
        missed
      </li>
    </ul>
  )
}
