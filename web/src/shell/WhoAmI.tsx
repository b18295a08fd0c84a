import { Menu } from '@mantine/core'
import { useLocation } from 'wouter'
import type { Me } from '../api/types'
import { Button, Icon, Time } from '../components'
import css from './shell.module.css'

/** Who asks, and what they may see. */
export function WhoAmI({ me }: { me: Me | undefined }) {
  const [, go] = useLocation()
  if (!me) return null
  const signOut = async () => {
    await fetch('/api/v1/session', { method: 'DELETE', credentials: 'same-origin' })
    window.location.assign('/')
  }
  return (
    <Menu width={300}>
      <Menu.Target>
        <Button kind="quiet" className={css.me} aria-label={`Signed in as ${me.name}, ${me.role}`}>
          <Icon name="user" size={15} />
          <span>{me.anonymous ? 'Demo' : me.name}</span>
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
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
        {(me.canTokens || !me.anonymous) && <Menu.Divider />}
        {me.canTokens && (
          <Menu.Item leftSection={<Icon name="lock" size={14} />} onClick={() => go('/tokens')}>
            Tokens
          </Menu.Item>
        )}
        {!me.anonymous && (
          <Menu.Item leftSection={<Icon name="out" size={14} />} onClick={signOut}>
            Sign out
          </Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  )
}
