import { Popover } from '@mantine/core'
import { useState } from 'react'
import { pathOf } from '../api/client'
import { inert } from '../event/inert'
import { Button } from './Button'
import { CopyButton } from './Copy'
import css from './ui.module.css'

interface Props {
  /** The command line that answers the same: "annals search 'verb:delete' --since 24h". */
  cli: string
  /** The question's name and members, as asked of the API. */
  name: string
  question?: object
  small?: boolean
}

/** The same answer from a terminal: with annals, and with curl. */
export function Commands({ cli, name, question, small }: Props) {
  const [open, setOpen] = useState(false)
  const flat = Object.values(question ?? {}).every((v) => typeof v !== 'object' || Array.isArray(v))
  const origin = window.location.origin
  const auth = `-H "Authorization: Bearer $ANNALS_TOKEN"`
  const curl = flat
    ? `curl -sS ${auth} ${quote(origin + pathOf(name, question))}`
    : `curl -sS ${auth} -H 'Content-Type: application/json' -d ${quote(JSON.stringify(question))} ${quote(`${origin}/api/v1/${name}`)}`
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-end" withinPortal trapFocus>
      <Popover.Target>
        <Button small={small} icon="terminal" aria-expanded={open} onClick={() => setOpen((o) => !o)}>
          Command line
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-labelledby="" aria-label="The same from a terminal">
        <div className={css.commands}>
          <div>
            <h3>annals</h3>
            <CopyButton labelled small text={cli} label="Copy as CLI" />
          </div>
          <pre tabIndex={0}>{inert(cli)}</pre>
          <div>
            <h3>curl</h3>
            <CopyButton labelled small text={curl} label="Copy as curl" />
          </div>
          <pre tabIndex={0}>{inert(curl)}</pre>
        </div>
      </Popover.Dropdown>
    </Popover>
  )
}

/** A word for a POSIX shell. */
export function quote(s: string): string {
  return /^[\w@%+=:,./-]+$/.test(s) ? s : `'${s.replaceAll("'", `'\\''`)}'`
}
