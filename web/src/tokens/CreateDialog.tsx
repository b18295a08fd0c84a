import { type FormEvent, useState } from 'react'
import { send } from '../api/client'
import type { NewToken } from '../api/types.gen'
import { Button, Dialog, ErrorBox, quote } from '../components'
import s from './tokens.module.css'

type Role = 'reader' | 'auditor' | 'admin' | 'ingest'

const roles: [Role, string][] = [
  ['reader', 'asks about the events of its scope'],
  ['auditor', 'asks about everything, Annals’ own acts too, and verifies'],
  ['admin', 'an auditor who also brings in files and makes tokens'],
  ['ingest', 'delivers the events of one cluster, and asks nothing'],
]

const day = 86_400

const ends: [string, number][] = [
  ['1 day', day],
  ['7 days', 7 * day],
  ['30 days', 30 * day],
  ['90 days', 90 * day],
  ['1 year', 365 * day],
  ['never: until it is revoked', 0],
]

interface Props {
  opened: boolean
  onClose: () => void
  onMade: (t: NewToken) => void
}

/** A new token: whose, what it may do and see, and until when. */
export function CreateDialog({ opened, onClose, onMade }: Props) {
  return (
    <Dialog opened={opened} onClose={onClose} title="New token" size="lg">
      {opened && <Form onClose={onClose} onMade={onMade} />}
    </Dialog>
  )
}

function Form({ onClose, onMade }: Omit<Props, 'opened'>) {
  const [role, setRole] = useState<Role>('reader')
  const [name, setName] = useState('')
  const [cluster, setCluster] = useState('')
  const [scope, setScope] = useState('')
  const [bodies, setBodies] = useState(false)
  const [seconds, setSeconds] = useState(90 * day)
  const [note, setNote] = useState('')
  const [error, setError] = useState<Error>()
  const [busy, setBusy] = useState(false)
  const ingest = role === 'ingest' // it never ends: a cluster that could no longer deliver would leave a gap
  const question = {
    role,
    name: ingest ? undefined : name.trim() || undefined,
    cluster: ingest ? cluster.trim() : undefined,
    scope: role === 'reader' ? scope.trim() || undefined : undefined,
    bodies: ingest ? undefined : bodies,
    seconds: ingest ? undefined : seconds || undefined,
    never: ingest ? undefined : seconds === 0 || undefined,
    note: note.trim() || undefined,
  }
  const cli = [
    `annals token create --role ${role}`,
    question.name && `--name ${quote(question.name)}`,
    question.cluster && `--cluster ${quote(question.cluster)}`,
    question.scope && `--scope ${quote(question.scope)}`,
    question.bodies && '--bodies',
    !ingest && (seconds ? `--expires ${seconds / day}d` : '--expires never'),
    question.note && `--note ${quote(question.note)}`,
  ]
  const submit = async (e: FormEvent) => {
    e.preventDefault()
    setBusy(true)
    setError(undefined)
    try {
      const { end } = await send<never, NewToken>('/api/v1/tokens/create', { method: 'POST', body: JSON.stringify(question) }, {})
      onMade(end)
    } catch (e) {
      setError(e as Error)
    } finally {
      setBusy(false)
    }
  }
  return (
    <form className={s.form} onSubmit={submit} data-testid="token-form">
      <fieldset>
        <legend>Role</legend>
        {roles.map(([r, about]) => (
          <label key={r} className={s.choice}>
            <input type="radio" name="role" value={r} checked={role === r} onChange={() => setRole(r)} />
            <span>
              <b>{r}</b> <span className="soft">{about}</span>
            </span>
          </label>
        ))}
      </fieldset>
      {ingest ? (
        <Field id="token-cluster" label="Cluster" about="Its events are kept under this name.">
          <input id="token-cluster" value={cluster} onChange={(e) => setCluster(e.currentTarget.value)} required placeholder="prod" autoComplete="off" spellCheck={false} aria-describedby="token-cluster-about" />
        </Field>
      ) : (
        <Field id="token-name" label="Whose it is" about="The name under which what is done with it is recorded.">
          <input id="token-name" value={name} onChange={(e) => setName(e.currentTarget.value)} placeholder="jane" autoComplete="off" spellCheck={false} aria-describedby="token-name-about" />
        </Field>
      )}
      {role === 'reader' && (
        <Field id="token-scope" label="Scope" about="A search: nothing outside it shows, not even as a number. Empty: every event.">
          <input id="token-scope" value={scope} onChange={(e) => setScope(e.currentTarget.value)} placeholder="ns:team-a" autoComplete="off" spellCheck={false} className={s.mono} aria-describedby="token-scope-about" />
        </Field>
      )}
      {!ingest && (
        <label className={s.choice}>
          <input type="checkbox" checked={bodies} onChange={(e) => setBodies(e.currentTarget.checked)} />
          <span>
            <b>With bodies</b> <span className="soft">what requests and responses held: objects, and with them secrets, where the policy records them</span>
          </span>
        </label>
      )}
      {!ingest && (
        <Field id="token-ends" label="It ends after">
          <select id="token-ends" value={seconds} onChange={(e) => setSeconds(Number(e.currentTarget.value))}>
            {ends.map(([label, n]) => (
              <option key={n} value={n}>
                {label}
              </option>
            ))}
          </select>
        </Field>
      )}
      <Field id="token-note" label="Note">
        <input id="token-note" value={note} onChange={(e) => setNote(e.currentTarget.value)} autoComplete="off" />
      </Field>
      <ErrorBox error={error} what="Making the token" />
      <pre tabIndex={0} aria-label="The same from a terminal">
        {cli.filter(Boolean).join(' ')}
      </pre>
      <div className={s.buttons}>
        <Button onClick={onClose}>Cancel</Button>
        <Button kind="primary" type="submit" disabled={busy}>
          Make the token
        </Button>
      </div>
    </form>
  )
}

function Field({ id, label, about, children }: { id: string; label: string; about?: string; children: React.ReactNode }) {
  return (
    <div className={s.field}>
      <label htmlFor={id}>{label}</label>
      {children}
      {about && (
        <span id={`${id}-about`} className="soft">
          {about}
        </span>
      )}
    </div>
  )
}
