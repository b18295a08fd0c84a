import { Icon, type IconName } from './Icon'
import css from './ui.module.css'

const words: Record<number, string> = {
  101: 'Switched',
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  204: 'No content',
  301: 'Moved',
  302: 'Found',
  304: 'Not modified',
  307: 'Redirect',
  400: 'Bad request',
  401: 'Not signed in',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Not allowed',
  408: 'Timed out',
  409: 'Conflict',
  410: 'Gone',
  413: 'Too large',
  415: 'Wrong type',
  422: 'Invalid',
  429: 'Too many',
  500: 'Server error',
  502: 'Bad gateway',
  503: 'Unavailable',
  504: 'Timed out',
}

/** What a status code says, in a word or two. */
export function wordOf(code: number): string {
  return words[code] ?? (code < 200 ? 'Informed' : code < 300 ? 'OK' : code < 400 ? 'Redirect' : code < 500 ? 'Failed' : 'Server error')
}

function toneOf(code: number): 'ok' | 'info' | 'warn' | 'bad' {
  if (code === 401 || code === 403) return 'bad'
  return code < 300 ? 'ok' : code < 400 ? 'info' : code < 500 ? 'warn' : 'bad'
}

/** A status code with its word; nothing where an event has none. A 101 opened a session: that is no failure. */
export function CodeBadge({ code }: { code?: number }) {
  if (!code) return <span className={css.badge} data-tone="none">no code</span>
  return (
    <span className={css.badge} data-tone={toneOf(code)}>
      {code} {wordOf(code)}
    </span>
  )
}

const marks: Record<string, { icon: IconName; about: string; tone: string }> = {
  salvaged: { icon: 'alert', about: 'The event came cut; what could be read of it is shown', tone: 'warn' },
  quarantined: { icon: 'alert', about: 'The event could not be read; its bytes are kept', tone: 'bad' },
  truncated: { icon: 'minus', about: 'The API server left bodies out because the event was too large', tone: 'warn' },
  conflict: { icon: 'alert', about: 'Another event with the same audit ID and stage has other bytes', tone: 'bad' },
  redacted: { icon: 'lock', about: 'A rule removed parts before the event was kept', tone: 'info' },
  'duplicate-member': { icon: 'alert', about: 'A member stands twice in the JSON', tone: 'warn' },
}

/** A mark of an event, such as "redacted". */
export function Mark({ mark }: { mark: string }) {
  const m = marks[mark]
  return (
    <span className={css.badge} data-tone={m?.tone} title={m?.about}>
      <Icon name={m?.icon ?? 'info'} size={11} />
      {mark}
    </span>
  )
}
