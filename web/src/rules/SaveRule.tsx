import { useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { Link } from 'wouter'
import { send } from '../api/client'
import type { DetectSeverity, RuleState } from '../api/types.gen'
import { Button, Dialog, ErrorBox } from '../components'
import { inert } from '../event/inert'
import { useTo } from '../event/paths'
import { rulePath } from '../findings/address'
import fs from '../findings/findings.module.css'
import { severities } from '../findings/severity'

interface Props {
  opened: boolean
  onClose: () => void
  /** The search that becomes a rule, */
  search?: string
  /** or the saved rule that is changed. */
  rule?: RuleState
}

/** Makes a rule of a search: from then on each event that meets it is a finding. */
export function SaveRule({ opened, onClose, search, rule }: Props) {
  return (
    <Dialog opened={opened} onClose={onClose} title={rule ? 'Change the rule' : 'Save the search as a rule'} size="lg">
      {opened && <Form onClose={onClose} search={search} rule={rule} />}
    </Dialog>
  )
}

export default SaveRule

const list = (text: string) => text.split(/[\s,]+/).filter(Boolean)

function Form({ onClose, search, rule }: Omit<Props, 'opened'>) {
  const client = useQueryClient()
  const to = useTo()
  const [title, setTitle] = useState(rule?.title ?? '')
  const [query, setQuery] = useState(rule?.search ?? search ?? '')
  const [severity, setSeverity] = useState<DetectSeverity>(rule?.severity ?? 'medium')
  const [about, setAbout] = useState(rule?.about ?? '')
  const [techniques, setTechniques] = useState(rule?.techniques?.join(' ') ?? '')
  const [error, setError] = useState<Error>()
  const [busy, setBusy] = useState(false)
  const [made, setMade] = useState<RuleState>()
  const submit = async (e: FormEvent) => {
    e.preventDefault()
    setBusy(true)
    setError(undefined)
    const question = { id: rule?.id, title: title.trim(), search: query.trim(), severity, about: about.trim() || undefined, techniques: list(techniques), tactics: rule?.tactics }
    try {
      const { end } = await send<never, RuleState>('/api/v1/rules/save', { method: 'POST', body: JSON.stringify(question) }, {})
      client.invalidateQueries({ queryKey: ['rules'] })
      client.invalidateQueries({ queryKey: ['rules/rule'] })
      if (rule) onClose()
      else setMade(end)
    } catch (e) {
      setError(e as Error)
    } finally {
      setBusy(false)
    }
  }
  if (made) {
    return (
      <div className={fs.form}>
        <p role="status">
          Saved. Each event from now on that meets it is a finding. <Link href={to.here(rulePath(made.id))}>{inert(made.title)}</Link> can be run over what happened before, too.
        </p>
        <div className={fs.buttons}>
          <Button kind="primary" onClick={onClose} ref={(b) => b?.focus()}>
            Done
          </Button>
        </div>
      </div>
    )
  }
  return (
    <form className={fs.form} onSubmit={submit} data-testid="rule-form">
      <label className={fs.field}>
        <span>Title</span>
        <input type="text" value={title} onChange={(e) => setTitle(e.target.value)} required placeholder="Somebody deleted a backup" autoComplete="off" data-autofocus />
      </label>
      <label className={fs.field}>
        <span>Search</span>
        <textarea value={query} onChange={(e) => setQuery(e.target.value)} required rows={2} className={fs.mono} spellCheck={false} />
      </label>
      <label className={fs.field}>
        <span>Severity</span>
        <select value={severity} onChange={(e) => setSeverity(e.target.value as DetectSeverity)}>
          {severities.map((v) => (
            <option key={v} value={v}>
              {v}
            </option>
          ))}
        </select>
      </label>
      <label className={fs.field}>
        <span>Why it is worth knowing</span>
        <textarea value={about} onChange={(e) => setAbout(e.target.value)} rows={2} />
      </label>
      <label className={fs.field}>
        <span>Techniques of ATT&CK</span>
        <input type="text" value={techniques} onChange={(e) => setTechniques(e.target.value)} placeholder="T1490" autoComplete="off" className={fs.mono} />
      </label>
      <ErrorBox error={error} what="Saving the rule" />
      <div className={fs.buttons}>
        <Button onClick={onClose}>Cancel</Button>
        <Button kind="primary" type="submit" disabled={busy}>
          {rule ? 'Change it' : 'Save it'}
        </Button>
      </div>
    </form>
  )
}
