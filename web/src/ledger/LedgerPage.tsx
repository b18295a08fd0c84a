import { lazy, Suspense } from 'react'
import { Link, useLocation } from 'wouter'
import { useAsk, useMe } from '../api/hooks'
import type { LedgerState } from '../api/types.gen'
import { Commands, CopyButton, ErrorBox, Page, Panel, Skeleton, Time } from '../components'
import { inert } from '../event/inert'
import { judge, moment } from '../overview/state'
import { count } from '../state/time'
import { Checkpoint } from './Checkpoint'
import s from './ledger.module.css'
import { Verify } from './Verify'

const ImportPage = lazy(() => import('./ImportPage'))

/** /ledger, and /ledger/import */
export default function LedgerPage() {
  const [path] = useLocation()
  if (path === '/ledger/import') {
    return (
      <Suspense
        fallback={
          <Page title="Bring in files">
            <Skeleton height="12rem" />
          </Page>
        }
      >
        <ImportPage />
      </Suspense>
    )
  }
  return <Ledger />
}

/** Is the record whole, and how does anybody know? */
function Ledger() {
  const me = useMe()
  const answer = useAsk<LedgerState, unknown>('ledger', {})
  const states = answer.data?.items
  const key = states?.find((x) => x.proof.publicKey)?.proof.publicKey
  return (
    <Page
      title="Ledger"
      about="Whether the record is whole, and how anybody can check that for themselves."
      actions={
        <>
          {me.data?.canImport && (
            <Link href="/ledger/import" className={s.aside}>
              Bring in files
            </Link>
          )}
          <Commands cli="annals verify" name="ledger" />
        </>
      }
    >
      <ErrorBox error={answer.error} what="Asking how the record is" retry={() => answer.refetch()} />
      {!states && !answer.error && <Skeleton height="10rem" />}
      {states?.length === 0 && <p className="soft">{me.data?.scope ? 'No event lies within your scope yet, so there is no record to show.' : 'No cluster has delivered anything yet.'}</p>}
      {states?.map((state) => (
        <Cluster key={state.cluster} state={state} />
      ))}
      {me.data?.canVerify ? (
        <Verify onDone={() => answer.refetch()} />
      ) : (
        me.data && (
          <Panel title="Verify">
            <p className="soft">Verifying reads every event, so it is for the role auditor; you are {me.data.role}. Proofs of single events can be checked by anybody, and are made in each event.</p>
          </Panel>
        )
      )}
      {key && (
        <Panel title="The ledger’s public key">
          <p>Whoever checks a proof or a checkpoint needs it. Keep it somewhere that those who run this server cannot change.</p>
          <div className={s.key}>
            <code>{key}</code>
            <CopyButton small text={key} label="Copy the key" />
          </div>
        </Panel>
      )}
      <Words />
      {me.data?.clusters.includes('annals') && (
        <Panel title="What people did with Annals itself">
          <p>
            Every search, view of a body, export and administrative act is an event, too, in the cluster annals: <Link href="/search?cluster=annals">search the own acts</Link>.
          </p>
        </Panel>
      )}
    </Page>
  )
}

function Cluster({ state }: { state: LedgerState }) {
  const me = useMe()
  const { tone, words } = judge(state, Date.now())
  const { proof } = state
  const known = (t: string | undefined) => (moment(t) === undefined ? <span className="soft">never</span> : <><Time at={t} /> <span className="soft">(<Time at={t} as="ago" />)</span></>)
  return (
    <section className={s.cluster} data-tone={tone} aria-label={`Cluster ${inert(state.cluster)}`} data-testid={`cluster-${state.cluster}`}>
      <header>
        <h2>{inert(state.cluster)}</h2>
        <b>{words}</b>
        {me.data?.canVerify && <Checkpoint cluster={state.cluster} />}
      </header>
      <dl>
        {state.events !== undefined && (
          <div>
            <dt>Events</dt>
            <dd>{count(state.events)}</dd>
          </div>
        )}
        <div>
          <dt>Last checkpoint</dt>
          <dd>
            {proof.checkpoint ? (
              <>
                over {count(proof.checkpoint)} events, {known(proof.at)}
              </>
            ) : (
              known(proof.at)
            )}
          </dd>
        </div>
        <div>
          <dt>Last verified</dt>
          <dd>
            {moment(proof.verified) === undefined ? <span className="soft">not since the server started</span> : known(proof.verified)}
            {proof.verdict && <span className={proof.verdict === 'ok' ? 'ok' : 'bad'}> {proof.verdict === 'ok' ? 'all as it was recorded' : inert(proof.verdict)}</span>}
          </dd>
        </div>
        {state.lastArrival !== undefined && (
          <div>
            <dt>Last event</dt>
            <dd>
              came {known(state.lastArrival)}, of {known(state.lastEvent)}
            </dd>
          </div>
        )}
      </dl>
    </section>
  )
}

const words: [string, string][] = [
  ['signed', 'A checkpoint covers all events: their number and a hash over all of them, under the ledger’s key. It is written about once a second. Whoever changes an event later cannot make the old checkpoint fit.'],
  ['verified', 'Every event’s bytes were read again and held against that hash. What was changed, is missing or was put in shows.'],
  ['proof', 'A file with one event and what ties it to a checkpoint. It convinces somebody who has nothing but the public key, without the ledger and without us.'],
  ['checkpoint kept elsewhere', 'Whoever holds the directory and the key could make a new ledger. They cannot make one that extends a checkpoint you kept: give it to verify --against.'],
]

function Words() {
  return (
    <Panel title="What the words mean">
      <dl className={s.words}>
        {words.map(([word, meaning]) => (
          <div key={word}>
            <dt>{word}</dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
    </Panel>
  )
}
