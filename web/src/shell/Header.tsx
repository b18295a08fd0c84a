import { useMantineColorScheme, useComputedColorScheme } from '@mantine/core'
import { useState } from 'react'
import { Link, useLocation, useSearchParams } from 'wouter'
import type { Me } from '../api/types'
import { Button, Flyout, FlyoutCheck, Icon, IconButton, SideDialog } from '../components'
import { places } from '../router/routes'
import { useZone } from '../state/prefs'
import { carried, useRange } from '../state/range'
import { RangePicker } from './RangePicker'
import css from './shell.module.css'
import { WhoAmI } from './WhoAmI'

const isAt = (path: string, place: string) => (place === '/' ? path === '/' : path === place || path.startsWith(`${place}/`))

export function Header({ me, onHelp }: { me: Me | undefined; onHelp: () => void }) {
  const [path] = useLocation()
  const [params] = useSearchParams()
  const [menu, setMenu] = useState(false)
  const links = (
    <ul>
      {places.map((p) => (
        <li key={p.path}>
          <Link href={p.path + carried(params)} aria-current={isAt(path, p.path) ? 'page' : undefined} onClick={() => setMenu(false)}>
            <Icon name={p.icon} size={15} />
            {p.label}
          </Link>
        </li>
      ))}
      {me?.canTokens && menu && (
        <li>
          <Link href="/tokens" onClick={() => setMenu(false)}>
            <Icon name="lock" size={15} />
            Tokens
          </Link>
        </li>
      )}
    </ul>
  )
  return (
    <header className={`${css.header} no-print`}>
      <div className={css.brand}>
        <span className={css.burger}>
          <IconButton icon="menu" label="Menu" aria-expanded={menu} onClick={() => setMenu(true)} />
        </span>
        <Link href={`/${carried(params)}`} className={css.name} aria-label="Annals, overview">
          <Logo />
          Annals
        </Link>
      </div>
      <nav aria-label="Main" className={css.nav}>
        {links}
      </nav>
      <div className={css.tools}>
        <Clusters names={me?.clusters ?? []} />
        <RangePicker />
        <Zones />
        <ColorScheme />
        <IconButton icon="help" label="Keys" hint="Keys (?)" onClick={onHelp} />
        <WhoAmI me={me} />
      </div>
      <SideDialog opened={menu} onClose={() => setMenu(false)} title="Annals" size="16rem">
        <nav aria-label="Main" className={css.side}>
          {links}
        </nav>
      </SideDialog>
    </header>
  )
}

function Logo() {
  return (
    <svg width="20" height="20" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="6" fill="var(--accent)" />
      <path d="M8 8.500h16M8 14h16M8 19.500h8" stroke="var(--accent-ink)" strokeWidth="2.600" strokeLinecap="round" />
      <path d="m18 22.500 3 3 5.500-6" fill="none" stroke="var(--accent-ink)" strokeWidth="2.600" strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  )
}

function Clusters({ names }: { names: string[] }) {
  const range = useRange()
  const label = range.clusters.length === 0 ? 'All clusters' : range.clusters.join(', ')
  const toggle = (n: string) => range.setClusters(range.clusters.includes(n) ? range.clusters.filter((c) => c !== n) : [...range.clusters, n])
  return (
    <Flyout
      label="Clusters"
      target={(opened, open) => (
        <Button aria-label={`Clusters: ${label}`} className={css.cluster} aria-expanded={opened} onClick={open}>
          <Icon name="cube" size={14} />
          <span>{label}</span>
          <Icon name="chevron" size={12} />
        </Button>
      )}
    >
      <FlyoutCheck radio checked={range.clusters.length === 0} onChange={() => range.setClusters([])}>
        All clusters
      </FlyoutCheck>
      <hr />
      {names.map((n) => (
        <FlyoutCheck key={n} checked={range.clusters.includes(n)} onChange={() => toggle(n)}>
          {n}
          {n === 'annals' && <small className="soft"> Annals’ own acts, left out unless chosen</small>}
        </FlyoutCheck>
      ))}
    </Flyout>
  )
}

function Zones() {
  const [zone, setZone] = useZone()
  return (
    <Button kind="quiet" className={css.zone} onClick={() => setZone(zone === 'utc' ? 'local' : 'utc')} aria-label={`Times in ${zone === 'utc' ? 'UTC' : 'local time'}; switch`} title="Times in UTC or local">
      {zone === 'utc' ? 'UTC' : 'Local'}
    </Button>
  )
}

function ColorScheme() {
  const { setColorScheme } = useMantineColorScheme({ keepTransitions: true })
  const now = useComputedColorScheme('light')
  return <IconButton icon={now === 'dark' ? 'sun' : 'moon'} label={now === 'dark' ? 'Light colours' : 'Dark colours'} onClick={() => setColorScheme(now === 'dark' ? 'light' : 'dark')} />
}
