import { type FormEvent, useEffect, useRef, useState } from 'react'
import { AskError, send } from '../api/client'
import { Button, CopyButton, Icon } from '../components'
import s from './signin.module.css'

const command = 'annals token create --role reader --name YOU'

/** Sign in with a token. The browser gets a session for it and keeps no token. */
export default function SignIn({ onSignedIn }: { onSignedIn: () => void }) {
  const [token, setToken] = useState('')
  const [shown, setShown] = useState(false)
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<Error>()
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => {
    document.title = 'Sign in · Annals'
    field.current?.focus()
  }, [])
  const submit = async (e: FormEvent) => {
    e.preventDefault()
    const text = token.trim()
    if (!text) {
      setError(new Error('Paste a token first.'))
      field.current?.focus()
      return
    }
    setBusy(true)
    setError(undefined)
    try {
      await send('/api/v1/session', { method: 'POST', body: JSON.stringify({ token: text }) }, {})
      setToken('')
      onSignedIn()
    } catch (e) {
      setError(e as Error)
      field.current?.select()
    } finally {
      setBusy(false)
    }
  }
  return (
    <main className={s.page} id="main">
      <div className={s.box}>
        <header>
          <svg width="36" height="36" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
            <rect width="32" height="32" rx="6" fill="var(--accent)" />
            <path d="M8 8.500h16M8 14h16M8 19.500h8" stroke="var(--accent-ink)" strokeWidth="2.600" strokeLinecap="round" />
            <path d="m18 22.500 3 3 5.500-6" fill="none" stroke="var(--accent-ink)" strokeWidth="2.600" strokeLinecap="round" strokeLinejoin="round" />
          </svg>
          <h1>Sign in to Annals</h1>
          <p>The record of what happens at your Kubernetes API.</p>
        </header>
        <form onSubmit={submit} data-testid="signin">
          {/* Password managers file a secret under a name. */}
          <input type="text" name="username" autoComplete="username" value="annals" readOnly hidden tabIndex={-1} aria-hidden="true" />
          <label htmlFor="token">Token</label>
          <div className={s.field}>
            <input
              ref={field}
              id="token"
              name="password"
              type={shown ? 'text' : 'password'}
              autoComplete="current-password"
              autoCapitalize="off"
              spellCheck={false}
              value={token}
              onChange={(e) => setToken(e.currentTarget.value)}
              placeholder="annals_…"
              aria-invalid={error ? true : undefined}
              aria-describedby={error ? 'signin-error signin-about' : 'signin-about'}
            />
            <Button kind="quiet" onClick={() => setShown(!shown)} aria-pressed={shown} aria-label={shown ? 'Hide the token' : 'Show the token'}>
              {shown ? 'Hide' : 'Show'}
            </Button>
          </div>
          {error && (
            <p id="signin-error" role="alert" className={s.error}>
              <Icon name="alert" size={15} />
              <span>{error instanceof AskError && error.status === 401 ? `Not let in: ${error.message}` : error.message}</span>
            </p>
          )}
          <Button kind="primary" type="submit" disabled={busy} className={s.submit}>
            {busy ? 'Signing in' : 'Sign in'}
          </Button>
          <p id="signin-about" className={s.about}>
            The browser keeps a session, not the token. It ends after two hours without a question, and after twelve in any case.
          </p>
        </form>
        <section className={s.where} aria-labelledby="signin-where">
          <h2 id="signin-where">Where to get a token</h2>
          <p>Whoever runs the server makes one, on its machine:</p>
          <div className={s.command}>
            <code>{command}</code>
            <CopyButton small text={command} label="Copy the command" />
          </div>
        </section>
      </div>
    </main>
  )
}
