import { useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useEffect, useState } from 'react'
import { useLocation, useSearchParams } from 'wouter'
import { onSignedOut } from '../api/client'
import { useMe } from '../api/hooks'
import { Boundary, ErrorBox } from '../components'
import { places, Screens } from '../router/routes'
import { useKeyboard, useKeys } from '../state/keys'
import { carried, NowProvider, useNow } from '../state/range'
import { Header } from './Header'
import { Help } from './Help'
import { LastDay } from './LastDay'
import css from './shell.module.css'

const SignIn = lazy(() => import('../signin/SignIn'))

/** What is around every screen. */
export function Shell() {
  const me = useMe()
  const client = useQueryClient()
  const [out, setOut] = useState(false)
  const [help, setHelp] = useState(false)
  const [path, go] = useLocation()
  const [params] = useSearchParams()
  useEffect(() => onSignedOut(() => setOut(true)), [])
  useKeyboard()
  useKeys([
    { keys: '?', about: 'Show the keys', group: 'Everywhere', run: () => setHelp((h) => !h) },
    ...places.map((p) => ({ keys: `g ${p.letter}`, about: `Go to ${p.label}`, group: 'Go', run: () => go(p.path + carried(params)) })),
    {
      keys: '/',
      about: 'Search',
      group: 'Everywhere',
      run: () => (path.startsWith('/search') ? document.querySelector<HTMLElement>('[data-query] input, [data-query] .cm-content')?.focus() : go(`/search${carried(params)}`)),
    },
  ])
  if (out)
    return (
      <Suspense>
        <SignIn
          onSignedIn={() => {
            client.clear()
            setOut(false)
          }}
        />
      </Suspense>
    )
  return (
    <NowProvider>
      <a className={css.skip} href="#main">
        Skip to content
      </a>
      <Header me={me.data} onHelp={() => setHelp(true)} />
      <main id="main" tabIndex={-1} className={css.main}>
        {me.error && !me.data && me.error.status !== 401 ? (
          <div className={css.down}>
            <ErrorBox error={me.error} retry={() => me.refetch()} />
          </div>
        ) : (
          <Boundary what="This page" anew={path}>
            <Place path={path} />
          </Boundary>
        )}
      </main>
      <Help opened={help} onClose={() => setHelp(false)} />
    </NowProvider>
  )
}

/** Screens that are about no range of time. */
const timeless = /^\/(event|ledger|tokens|silences|alerts|findings\/.+)(\/|$)/

function Place({ path }: { path: string }) {
  const { ready } = useNow()
  if (timeless.test(path)) return <Screens />
  if (!ready) return null
  return (
    <>
      <LastDay />
      <Screens />
    </>
  )
}
