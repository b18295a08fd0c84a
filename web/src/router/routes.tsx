import { type ComponentType, lazy, Suspense } from 'react'
import { Link, Route, Switch } from 'wouter'
import { Empty, Page, Skeleton } from '../components'
import type { IconName } from '../components'
import { SearchPage } from '../search/SearchPage'

export interface Place {
  path: string
  label: string
  icon: IconName
  /** g, then this letter. */
  letter: string
}

export const places: Place[] = [
  { path: '/', label: 'Overview', icon: 'home', letter: 'h' },
  { path: '/search', label: 'Search', icon: 'search', letter: 's' },
  { path: '/findings', label: 'Findings', icon: 'alert', letter: 'f' },
  { path: '/rules', label: 'Rules', icon: 'filter', letter: 'r' },
  { path: '/objects', label: 'Objects', icon: 'cube', letter: 'o' },
  { path: '/actors', label: 'Actors', icon: 'user', letter: 'a' },
  { path: '/sessions', label: 'Sessions', icon: 'terminal', letter: 'e' },
  { path: '/questions', label: 'Questions', icon: 'help', letter: 'q' },
  { path: '/ledger', label: 'Ledger', icon: 'book', letter: 'l' },
]

// The search is here at once; the other screens come when they are opened. Each takes what it needs from its address.
const screens: [string, ComponentType][] = [
  ['/', lazy(() => import('../overview/OverviewPage'))],
  ['/findings/*?', lazy(() => import('../findings/FindingsPage'))],
  ['/rules/*?', lazy(() => import('../rules/RulesPage'))],
  ['/attack', lazy(() => import('../rules/AttackPage'))],
  ['/silences', lazy(() => import('../silences/SilencesPage'))],
  ['/alerts', lazy(() => import('../silences/AlertsPage'))],
  ['/objects/*?', lazy(() => import('../objects/ObjectsPage'))],
  ['/actors/*?', lazy(() => import('../actors/ActorsPage'))],
  ['/sessions/*?', lazy(() => import('../sessions/SessionsPage'))],
  ['/questions/*?', lazy(() => import('../ask/AskPage'))],
  ['/ledger/*?', lazy(() => import('../ledger/LedgerPage'))],
  ['/tokens', lazy(() => import('../tokens/TokensPage'))],
  ['/event/:cluster/:position', lazy(() => import('../event/EventPage'))],
]

export function Screens() {
  return (
    <Suspense fallback={<Waiting />}>
      <Switch>
        <Route path="/search">
          <SearchPage />
        </Route>
        {screens.map(([path, Screen]) => (
          <Route key={path} path={path}>
            <Screen />
          </Route>
        ))}
        <Route>
          <Page title="No such page">
            <Empty title="There is no page at this address" ranged={false}>
              <Link href="/search">Search the events</Link>
            </Empty>
          </Page>
        </Route>
      </Switch>
    </Suspense>
  )
}

function Waiting() {
  return (
    <Page title="Annals">
      <div role="status" aria-label="Loading">
        <Skeleton height="12rem" />
      </div>
    </Page>
  )
}
