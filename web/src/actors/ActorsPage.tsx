import { type FormEvent, lazy, Suspense, useState } from 'react'
import { Link, useLocation } from 'wouter'
import { useAsk } from '../api/hooks'
import type { Coverage, Facet } from '../api/types.gen'
import { Button, CoverageLine, Empty, ErrorBox, Incomplete, Page, Panel, Skeleton } from '../components'
import { actorPath, segmentOf, useTo } from '../event/paths'
import { Complete } from '../objects/Complete'
import { useRange } from '../state/range'
import s from './actors.module.css'
import { Bars } from './Bars'

const ActorPage = lazy(() => import('./ActorPage'))

/** /actors, and /actors/:user */
export default function ActorsPage() {
  const [path] = useLocation()
  const user = segmentOf(path.split('/')[2] ?? '')
  if (!user) return <Picker />
  return (
    <Suspense
      fallback={
        <Page title={user}>
          <Skeleton height="20rem" />
        </Page>
      }
    >
      <ActorPage key={user} user={user} />
    </Suspense>
  )
}

function Picker() {
  const range = useRange()
  const [, go] = useLocation()
  const to = useTo()
  const [user, setUser] = useState('')
  const submit = (e: FormEvent) => {
    e.preventDefault()
    if (user) go(to.here(actorPath(user)))
  }
  return (
    <Page title="Actors" about="What somebody did, from where, with what, and what let them.">
      <Panel title="Find an actor">
        <form className={s.form} onSubmit={submit} data-testid="actor-form">
          <Complete
            label="User"
            field="user"
            of={{ clusters: range.of.clusters }}
            value={user}
            onChange={setUser}
            onPick={(u) => go(to.here(actorPath(u)))}
            required
            placeholder="alice@example.com"
            about="A user name as the API server saw it, such as system:serviceaccount:prod:default"
          />
          <Button kind="primary" type="submit" disabled={!user} className={s.submit}>
            Show what they did
          </Button>
        </form>
      </Panel>
      <div className={s.two}>
        <Top title="People" query="-user:system:*" />
        <Top title="System and service accounts" query="user:system:*" />
      </div>
    </Page>
  )
}

function Top({ title, query }: { title: string; query: string }) {
  const range = useRange()
  const to = useTo()
  const answer = useAsk<Facet, Coverage>('facets', { query, ...range.of, fields: ['user'], limit: 12 }, { keep: true })
  const facet = answer.data?.items[0]
  const cover = answer.data?.end
  return (
    <Panel title={title} tools={<span className="soft">{range.label}</span>}>
      <ErrorBox error={answer.error} retry={() => answer.refetch()} />
      <Incomplete of={cover} />
      {answer.isPending && <Skeleton height="12rem" />}
      {facet && facet.values.length === 0 && <Empty title="Nobody in this range" search={query} complete={cover?.complete} />}
      {facet && facet.values.length > 0 && (
        <Bars label={title} values={facet.values} hrefOf={(v) => to.here(actorPath(v.value))} more={facet.distinct > facet.values.length ? facet.distinct - facet.values.length : 0} />
      )}
      {facet && facet.distinct > facet.values.length && <Link href={to.search(query, range.of)}>All of them in Search</Link>}
      <CoverageLine of={cover && { ...cover, returned: facet?.distinct ?? 0 }} unit="users" />
    </Panel>
  )
}
