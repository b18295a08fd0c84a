import { useLocation } from 'wouter'
import type { Me } from '../api/types'
import { Button, Flyout, FlyoutItem, Icon, Time } from '../components'
import css from './shell.module.css'

/** Who asks, and what they may see. */
export function WhoAmI({ me }: { me: Me | undefined }) {
  const [, go] = useLocation()
  if (!me) return null
  const signOut = async () => {
    await fetch('/api/v1/session', { method: 'DELETE', credentials: 'same-origin' })
    window.location.assign('/')
  }
  const who = me.anonymous ? 'Demo: nobody signed in' : `Signed in as ${me.name}, ${me.role}`
  return (
    <Flyout
      label="Who asks"
      width={300}
      target={(opened, toggle) => (
        <Button kind="quiet" className={css.me} aria-label={who} aria-expanded={opened} onClick={toggle}>
          <Icon name="user" size={15} />
          <span>{me.anonymous ? 'Demo' : me.name}</span>
        </Button>
      )}
    >
      {(close) => (
        <>
          <div className={css.card}>
            <strong>{me.anonymous ? 'Nobody signed in: this is a demo' : me.name}</strong>
            <span className="soft">
              {me.role} · annals {me.version}
            </span>
            <span>
              Sees {me.scope ? <code>{me.scope}</code> : 'every event'}, {me.bodies ? 'with' : 'without'} bodies
            </span>
            {me.expires && (
              <span className="soft">
                until <Time at={me.expires} as="minute" />
              </span>
            )}
          </div>
          {me.canTokens && (
            <FlyoutItem
              icon="lock"
              onClick={() => {
                close()
                go('/tokens')
              }}
            >
              Tokens
            </FlyoutItem>
          )}
          {!me.anonymous && (
            <FlyoutItem icon="out" onClick={signOut}>
              Sign out
            </FlyoutItem>
          )}
        </>
      )}
    </Flyout>
  )
}
