import { useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { send } from '../api/client'
import { useMe } from '../api/hooks'
import type { AlertSilence, Finding } from '../api/types.gen'
import { Button, Dialog, ErrorBox, quote } from '../components'
import { inert } from '../event/inert'
import { useZone } from '../state/prefs'
import { minute } from '../state/time'
import s from './findings.module.css'

const words = ['rule', 'cluster', 'namespace', 'user', 'name', 'severity'] as const

const ends: [string, number][] = [
  ['1 hour', 1],
  ['4 hours', 4],
  ['1 day', 24],
  ['7 days', 7 * 24],
  ['30 days', 30 * 24],
]

interface Props {
  opened: boolean
  onClose: () => void
  /** What it is made from. */
  finding?: Finding
  onMade?: (made: AlertSilence) => void
}

/** Holds back what is told of some findings: of which, why, and until when. Who makes it owns it. */
export function SilenceDialog({ opened, onClose, finding, onMade }: Props) {
  return (
    <Dialog opened={opened} onClose={onClose} title={finding ? 'Silence findings like this' : 'New silence'} size="lg">
      {opened && <Form onClose={onClose} finding={finding} onMade={onMade} />}
    </Dialog>
  )
}

function valueOf(f: Finding | undefined, word: (typeof words)[number]): string {
  return (word === 'rule' ? f?.ruleName || f?.rule : f?.[word]) ?? ''
}

function Form({ onClose, finding, onMade }: Omit<Props, 'opened'>) {
  const me = useMe()
  const client = useQueryClient()
  const [zone] = useZone()
  const [match, setMatch] = useState<Record<string, string>>(() => Object.fromEntries(words.map((w) => [w, w === 'name' || w === 'severity' ? '' : valueOf(finding, w)])))
  const [reason, setReason] = useState('')
  const [hours, setHours] = useState('')
  const [until, setUntil] = useState('')
  const [error, setError] = useState<Error>()
  const [busy, setBusy] = useState(false)
  const [made, setMade] = useState<AlertSilence>()
  const used = Object.fromEntries(Object.entries(match).filter(([, v]) => v.trim() !== ''))
  const submit = async (e: FormEvent) => {
    e.preventDefault()
    setBusy(true)
    setError(undefined)
    try {
      const end = hours === 'at' ? new Date(zone === 'utc' ? `${until}Z` : until) : new Date(Date.now() + Number(hours) * 3_600_000)
      const { end: silence } = await send<never, AlertSilence>('/api/v1/silences/create', { method: 'POST', body: JSON.stringify({ match: used, reason: reason.trim(), end: end.toISOString() }) }, {})
      client.invalidateQueries({ queryKey: ['silences'] })
      client.invalidateQueries({ queryKey: ['findings/finding'] })
      setMade(silence)
      onMade?.(silence)
    } catch (e) {
      setError(e as Error)
    } finally {
      setBusy(false)
    }
  }
  if (made) {
    return (
      <div className={s.form}>
        <p role="status" data-testid="silenced">
          Nobody is told of such findings until {minute(new Date(made.end), zone)}. They are found and recorded all the same.
        </p>
        <div className={s.buttons}>
          <Button kind="primary" onClick={onClose} data-autofocus ref={(b) => b?.focus()}>
            Done
          </Button>
        </div>
      </div>
    )
  }
  const cli = ['annals silences create', ...Object.entries(used).map(([k, v]) => `--${k} ${quote(v)}`), hours && hours !== 'at' && `--for ${hours}h`, `--reason ${quote(reason || '…')}`].filter(Boolean).join(' ')
  return (
    <form className={s.form} onSubmit={submit} data-testid="silence-form">
      <p>Findings that meet all of this are recorded, and nobody is told of them. What is empty may be anything; * stands for any text.</p>
      <fieldset className={s.matchers}>
        <legend>Which findings</legend>
        {words.map((w) => (
          <label key={w}>
            <span>{w}</span>
            <input
              type="text"
              value={match[w]}
              onChange={(e) => setMatch({ ...match, [w]: e.target.value })}
              placeholder={valueOf(finding, w) ? `any; this one’s is ${inert(valueOf(finding, w))}` : 'any'}
              autoComplete="off"
              spellCheck={false}
              className={s.mono}
            />
          </label>
        ))}
      </fieldset>
      <label className={s.field}>
        <span>Why</span>
        <textarea value={reason} onChange={(e) => setReason(e.target.value)} required rows={2} placeholder="Change 4711: the cluster is being moved" />
      </label>
      <label className={s.field}>
        <span>Until</span>
        <select value={hours} onChange={(e) => setHours(e.target.value)} required>
          <option value="" disabled>
            choose when it ends
          </option>
          {ends.map(([label, n]) => (
            <option key={n} value={n}>
              in {label}
            </option>
          ))}
          <option value="at">at a time…</option>
        </select>
      </label>
      {hours === 'at' && (
        <label className={s.field}>
          <span>The end ({zone === 'utc' ? 'UTC' : 'local time'})</span>
          <input type="datetime-local" value={until} onChange={(e) => setUntil(e.target.value)} required />
        </label>
      )}
      <p className="soft">
        Owner: <b>{inert(me.data?.name ?? '')}</b>. That you make it is on record.
      </p>
      <ErrorBox error={error} what="Making the silence" />
      <pre tabIndex={0} aria-label="The same from a terminal">
        {inert(cli)}
      </pre>
      <div className={s.buttons}>
        <Button onClick={onClose}>Cancel</Button>
        <Button kind="primary" type="submit" disabled={busy || Object.keys(used).length === 0}>
          Silence
        </Button>
      </div>
    </form>
  )
}
