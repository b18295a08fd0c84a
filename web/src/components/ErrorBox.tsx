import type { ReactNode } from 'react'
import { AskError } from '../api/client'
import { Button } from './Button'
import { Icon } from './Icon'
import css from './ui.module.css'

const remedies: Record<string, string> = {
  offline: 'Is the server running, and this machine on the network? Ask again when it is.',
  usage: 'Change what is asked as the message says.',
  tampered: 'Bytes are not what was recorded. Verify the ledger, and keep the directory as it is until somebody has looked.',
  missing: 'Events that there must be are not there. Verify the ledger to learn which.',
  signature: 'Something is not signed by the ledger’s key. Verify the ledger against a checkpoint kept elsewhere.',
  cut: 'Ask again. If it is cut again, narrow the range and look into the server’s log.',
  forbidden: 'Your token does not allow this. Ask whoever runs the server for one that does.',
  limit: 'Narrow the range or the search, and ask again.',
  busy: 'Too many questions run at once. Wait a moment and ask again.',
  unavailable: 'The server is stopping or starting. Ask again in a moment.',
  notfound: 'It is not there, or not for you. Look at its name, its cluster and the time range.',
  signin: 'Sign in again.',
  unverifiable: 'There is nothing to hold it against. A checkpoint that was kept elsewhere would be.',
}

interface Props {
  error: Error | null | undefined
  retry?: () => void
  /** What failed: "The histogram". */
  what?: string
  children?: ReactNode
}

/** What went wrong, and what to do about it. */
export function ErrorBox({ error, retry, what, children }: Props) {
  if (!error) return null
  const kind = error instanceof AskError ? error.kind : 'failed'
  const title = kind === 'usage' ? 'That cannot be asked' : kind === 'offline' ? 'No answer from the server' : `${what ?? 'The answer'} failed`
  return (
    <div className={css.box} role="alert" data-kind={kind}>
      <Icon name="alert" size={18} />
      <div>
        <strong>{title}</strong>
        <pre>{error.message}</pre>
        <p className="soft">{remedies[kind] ?? 'Ask again; if it stays so, the server’s log tells more.'}</p>
        {children}
      </div>
      {retry && (
        <Button small icon="refresh" onClick={retry}>
          Ask again
        </Button>
      )}
    </div>
  )
}
