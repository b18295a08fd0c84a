import { useEffect, useState } from 'react'
import type { TokenInfo } from '../api/types.gen'
import { Button, Dialog, ErrorBox } from '../components'
import { inert } from '../event/inert'
import s from './tokens.module.css'

interface Props {
  token: TokenInfo | undefined
  onClose: () => void
  revoke: (t: TokenInfo) => Promise<void>
}

/** Ending a token cannot be undone, so it is asked once more. */
export function RevokeDialog({ token, onClose, revoke }: Props) {
  const [error, setError] = useState<Error>()
  useEffect(() => setError(undefined), [token])
  return (
    <Dialog opened={token !== undefined} onClose={onClose} title="Revoke this token?">
      {token && (
        <div className={s.form}>
          <p>
            The token of <b>{inert(token.name || token.cluster || token.id)}</b> ends at once, and so do the sessions that began with it. It cannot be undone.
          </p>
          {token.role === 'ingest' && <p className="warn">The cluster {inert(token.cluster ?? '')} can no longer deliver with it.</p>}
          <ErrorBox error={error} what="Revoking the token" />
          <div className={s.buttons}>
            <Button onClick={onClose} data-autofocus>
              Cancel
            </Button>
            <Button kind="danger" onClick={() => revoke(token).catch(setError)}>
              Revoke
            </Button>
          </div>
        </div>
      )}
    </Dialog>
  )
}
