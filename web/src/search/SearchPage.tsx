import { useMediaQuery } from '@mantine/hooks'
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { useAsk, useMe } from '../api/hooks'
import type { Hits } from '../api/types'
import { Button, Commands, copyText, CoverageLine, Empty, ErrorBox, Flyout, FlyoutCheck, Icon, IconButton, Incomplete, SideDialog } from '../components'
import { inert } from '../event/inert'
import { useKeys } from '../state/keys'
import { isBoolean, usePref } from '../state/prefs'
import { shareURL, useRange } from '../state/range'
import { count, duration } from '../state/time'
import { useAddress, useDensity, usePast, useTailEdge } from './address'
import { ColumnsMenu } from './ColumnsMenu'
import { cliOf } from './commands'
import { EventDrawer } from './EventDrawer'
import { ExportDialog } from './ExportDialog'
import { Facets } from './Facets'
import { Histogram } from './Histogram'
import { QueryLine } from './QueryLine'
import { Results } from './Results'
import { usual } from './rows'
import css from './search.module.css'
import { TailBar } from './TailBar'
import { type Asked, useResults } from './useResults'
import { useTail } from './useTail'

const SaveRule = lazy(() => import('../rules/SaveRule'))

/** Ask for events: what the whole product is about. */
export function SearchPage() {
  const address = useAddress()
  const range = useRange()
  const me = useMe()
  const [past, setPast] = usePast()
  const [round, setRound] = useState(0)
  const [follow, setFollow] = useState(false)
  const [paused, setPaused] = useState(false)
  const [reading, setReading] = useState(false)
  const [edge] = useTailEdge()
  const [fold, setFold] = usePref('fold', true, isBoolean)
  const [sidebar, setSidebar] = usePref('sidebar', true, isBoolean)
  const [facetDrawer, setFacetDrawer] = useState(false)
  const [density, setDensity] = useDensity()
  const [exporting, setExporting] = useState(false)
  const [saving, setSaving] = useState(false)
  const [hits, setHits] = useState<Hits>()
  const [takeFocus, setTakeFocus] = useState(false)
  const [shared, setShared] = useState('')
  const narrow = useMediaQuery('(max-width: 1000px)') ?? false
  // Beside an open event there is room for the fields only on a large screen.
  const tight = useMediaQuery('(max-width: 1750px)') ?? false
  const list = useRef<HTMLDivElement>(null)

  const { query, open } = address
  const asked = useMemo<Asked>(() => ({ query, ...range.of }), [query, range.of])
  const results = useResults(asked, round, !follow)
  const scrolled = useScrolled(follow, edge, list)
  const frozen = paused || reading || scrolled
  const tail = useTail(asked, follow, frozen)
  const events = follow ? (edge === 'top' ? tail.events : [...tail.events].reverse()) : results.events

  useEffect(() => {
    document.title = query ? `${inert(query)} · Annals` : 'Search · Annals'
  }, [query])

  // The edge that is followed stays in sight.
  useEffect(() => {
    return follow && edge === 'bottom' && !frozen && tail.events.length > 0 ? scrollTo('bottom') : undefined
  }, [follow, edge, frozen, tail.events])

  const { setQuery, setOpen } = address
  const run = useCallback(
    (q: string) => {
      const text = q.trim()
      if (text !== '') setPast([text, ...past.filter((p) => p !== text)].slice(0, 20))
      if (text === query) {
        range.refresh()
        setRound((r) => r + 1)
      } else setQuery(text)
    },
    [query, setQuery, past, setPast, range.refresh],
  )
  const cancel = () => {
    results.cancel()
  }
  const onOpen = useCallback(
    (key: string | undefined, focus: boolean) => {
      setTakeFocus(focus)
      setOpen(key, true)
    },
    [setOpen],
  )
  const close = () => {
    const key = open
    setOpen(undefined, true)
    if (key) requestAnimationFrame(() => document.querySelector<HTMLElement>(`[data-row="${CSS.escape(key)}"]`)?.focus())
  }
  const share = async () => {
    const url = shareURL(range, range.now)
    setShared((await copyText(url)) ? 'Link copied: with absolute times' : url)
    setTimeout(() => setShared(''), 4000)
  }
  const release = () => {
    setPaused(false)
    setReading(false)
    tail.release()
    scrollTo(edge)
  }
  const press = (key: string) => window.dispatchEvent(new KeyboardEvent('keydown', { key }))
  useKeys([
    { keys: 'f', about: 'Follow events as they come, or stop', group: 'Search', run: () => setFollow((f) => !f) },
    { keys: 'x', about: 'Show or hide the fields', group: 'Search', run: () => (narrow ? setFacetDrawer((d) => !d) : setSidebar(!sidebar)) },
    { keys: 'v', about: 'Sentences or table', group: 'Search', run: () => address.setColumns(address.columns ? undefined : usual) },
    { keys: 'y', about: 'Copy a link with absolute times', group: 'Search', run: share },
    { keys: 'Escape', about: 'Cancel the search, or close what is open', group: 'Search', run: () => (open ? close() : cancel()) },
  ])

  const busy = !follow && (results.phase === 'waiting' || results.phase === 'streaming')
  const usage = results.error && 'kind' in results.error && results.error.kind === 'usage'
  const empty = !follow && results.phase === 'idle' && results.events.length === 0
  // What is followed is counted as it was when following began.
  const facets = <Facets asked={asked} enabled={!usage} onQuery={run} titled={narrow} />
  const drawerOpen = address.opened !== undefined
  const beside = sidebar && !narrow && !(drawerOpen && tight)
  return (
    <div className={css.page} data-drawer-open={drawerOpen || undefined}>
      <h1 className="visually-hidden">Search</h1>
      <div className={`${css.top} no-print`}>
        <QueryLine query={query} range={range} busy={busy} error={results.error} onRun={run} onCancel={cancel} />
      </div>
      <div className={css.body} data-sidebar={beside || undefined}>
        {beside && (
          <aside className={`${css.sidebar} no-print`} aria-label="Fields">
            {facets}
          </aside>
        )}
        <SideDialog opened={facetDrawer && narrow} onClose={() => setFacetDrawer(false)} title="Fields" size="19rem">
          {facets}
        </SideDialog>
        <div className={css.content}>
          {!follow && <Histogram asked={asked} range={range} enabled={!usage} onQuery={run} onHits={setHits} />}
          <section className={css.results} aria-label="Results">
            <header className="no-print">
              <div className={css.summary}>
                <IconButton small icon="filter" label={sidebar ? 'Hide the fields' : 'Show the fields'} hint="Fields (x)" aria-pressed={narrow ? facetDrawer : sidebar} onClick={() => (narrow ? setFacetDrawer(true) : setSidebar(!sidebar))} />
                {follow ? (
                  <TailBar tail={tail} frozen={frozen} paused={paused} onPause={() => setPaused(!paused)} />
                ) : (
                  <Summary results={results} total={hits?.total} usage={!!usage} />
                )}
              </div>
              <div className={css.tools}>
                <Button small icon="live" aria-pressed={follow} onClick={() => setFollow(!follow)} title="Follow (f)">
                  Live
                </Button>
                <span className={css.segmented} role="group" aria-label="Rows as">
                  <IconButton small icon="rows" label="Sentences" aria-pressed={!address.columns} onClick={() => address.setColumns(undefined)} />
                  <IconButton small icon="table" label="Table" hint="Table (v)" aria-pressed={!!address.columns} onClick={() => address.setColumns(address.columns ?? usual)} />
                </span>
                {address.columns && <ColumnsMenu cols={address.columns} onChange={address.setColumns} />}
                <Flyout label="How rows are shown" target={(opened, toggle) => <IconButton small icon="more" label="How rows are shown" aria-expanded={opened} onClick={toggle} />}>
                  <FlyoutCheck checked={fold} onChange={setFold}>
                    The stages of a request as one row
                  </FlyoutCheck>
                  <FlyoutCheck checked={density === 'dense'} onChange={(d) => setDensity(d ? 'dense' : 'comfortable')}>
                    Dense rows
                  </FlyoutCheck>
                </Flyout>
                <Button small icon="link" onClick={share} title="Copy a link with absolute times (y)" data-testid="share">
                  Share
                </Button>
                <Button small icon="download" onClick={() => setExporting(true)}>
                  Export
                </Button>
                {me.data?.role === 'admin' && query !== '' && !usage && (
                  <Button small icon="shield" onClick={() => setSaving(true)} title="Each event that meets this search is a finding from then on">
                    Save as rule
                  </Button>
                )}
                <Commands small cli={cliOf(asked, follow ? ' --follow' : '')} name={follow ? 'tail' : 'events'} question={follow ? { query, clusters: asked.clusters } : { ...asked, limit: 1000 }} />
              </div>
            </header>
            <p role="status" className={css.shared} data-shown={shared ? true : undefined}>
              {shared}
            </p>
            {!follow && <Incomplete of={results.cover} />}
            {!follow && results.error && !usage && <ErrorBox error={results.error} what="The search" retry={() => setRound((r) => r + 1)} />}
            {follow && tail.error && <ErrorBox error={tail.error} what="Following" retry={tail.again} />}
            {!follow && results.phase === 'cancelled' && (
              <p className={css.note}>
                <Icon name="stop" size={13} /> Cancelled. {results.events.length > 0 ? `What came before is shown: ${count(results.events.length)} events, not all.` : 'Nothing was shown yet.'}{' '}
                <Button small onClick={() => setRound((r) => r + 1)}>
                  Ask again
                </Button>
              </p>
            )}
            {follow && frozen && tail.waiting > 0 && (
              <button type="button" className={css.pill} onClick={release} data-edge={edge} data-testid="pill">
                {count(tail.waiting)} new <Icon name={edge === 'top' ? 'up' : 'down'} size={12} />
              </button>
            )}
            {empty ? (
              <NothingFound asked={asked} results={results} hits={hits} />
            ) : (
              !usage && (
                <Results
                  events={events}
                  fold={fold}
                  cols={address.columns}
                  open={open}
                  onOpen={onOpen}
                  onEnd={results.loadMore}
                  waiting={busy}
                  manyClusters={(me.data?.clusters.filter((c) => c !== 'annals').length ?? 1) > 1}
                  onReading={follow ? setReading : undefined}
                  list={list}
                />
              )
            )}
            {usage && <p className={css.note}>Correct the search above; its message says what is wrong.</p>}
            {!follow && results.full && (
              <p className={css.note}>
                {count(results.events.length)} events are loaded, and no more will be.{' '}
                <Button small icon="download" onClick={() => setExporting(true)}>
                  Export them all
                </Button>
              </p>
            )}
            {follow && tail.events.length === 0 && !tail.error && <p className={css.note}>Waiting for events{query ? ' that match' : ''}…</p>}
            {!follow && results.cover && <CoverageLine of={hits ? { ...results.cover, returned: results.events.length } : results.cover} unit={results.more ? 'events loaded' : 'events'} />}
          </section>
        </div>
        {address.opened && <EventDrawer of={address.opened} takeFocus={takeFocus} link={() => shareURL(range, range.now)} onClose={close} onMove={(by) => press(by > 0 ? 'j' : 'k')} />}
      </div>
      {saving && (
        <Suspense>
          <SaveRule opened search={query} onClose={() => setSaving(false)} />
        </Suspense>
      )}
      <ExportDialog opened={exporting} onClose={() => setExporting(false)} asked={asked} total={hits?.total} />
    </div>
  )
}

function Summary({ results, total, usage }: { results: ReturnType<typeof useResults>; total?: number; usage: boolean }) {
  const { phase, events, took } = results
  if (usage) return <span className="bad">The search cannot be read</span>
  if (phase === 'failed' && events.length === 0) return <span className="bad">Not answered</span>
  const loaded = count(events.length)
  const of = total === undefined || total < events.length ? '' : ` of ${count(total)}`
  return (
    <p className={css.count} role="status" aria-live="polite" data-testid="summary">
      {phase === 'waiting' ? (
        'Searching…'
      ) : (
        <>
          <b>{total !== undefined && total >= events.length ? count(total) : loaded}</b> events
          {total !== undefined && events.length < total && (
            <span className="soft">
              {' '}
              · {loaded}
              {of} loaded
            </span>
          )}
          {phase === 'streaming' && <span className="soft"> · streaming…</span>}
          {results.asked.query && (
            <>
              <span className="soft"> · for </span>
              <code className={css.ran} title={inert(results.asked.query)}>
                {inert(results.asked.query)}
              </code>
            </>
          )}
          {took !== undefined && phase !== 'streaming' && <span className="soft"> · {duration(took / 1000)}</span>}
        </>
      )}
    </p>
  )
}

/** An empty answer says how much was searched and where the nearest match lies. */
function NothingFound({ asked, results, hits }: { asked: Asked; results: ReturnType<typeof useResults>; hits?: Hits }) {
  const held = useAsk<never, Hits>('hits', { ...asked, query: undefined, buckets: 1 }).data?.end.total
  return <Empty title={held === 0 ? 'There are no events in this range' : 'No events match'} search={asked.query} held={held} nearest={hits?.total === 0 ? hits.nearest : undefined} complete={results.cover?.complete} />
}

/** Scrolls there, and again for as long as rows that come into sight are being measured. */
function scrollTo(edge: 'top' | 'bottom') {
  let left = 6
  let frame = 0
  const step = () => {
    window.scrollTo({ top: edge === 'top' ? 0 : document.documentElement.scrollHeight })
    if (--left > 0) frame = requestAnimationFrame(step)
  }
  step()
  return () => cancelAnimationFrame(frame)
}

/** Whether the page was scrolled away from the edge at which new events appear. */
function useScrolled(on: boolean, edge: 'top' | 'bottom', list: React.RefObject<HTMLDivElement | null>): boolean {
  const [away, setAway] = useState(false)
  useEffect(() => {
    if (!on) {
      setAway(false)
      return
    }
    const look = () => {
      const doc = document.documentElement
      const off = edge === 'top' ? window.scrollY > 40 : doc.scrollHeight - window.innerHeight - window.scrollY > 80
      const marked = document.getSelection()
      setAway(off || (marked?.type === 'Range' && !!list.current?.contains(marked.anchorNode)))
    }
    look()
    window.addEventListener('scroll', look, { passive: true })
    document.addEventListener('selectionchange', look)
    return () => {
      window.removeEventListener('scroll', look)
      document.removeEventListener('selectionchange', look)
    }
  }, [on, edge, list])
  return away
}
