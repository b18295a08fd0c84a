import { Link } from 'wouter'
import type { LedgerState } from '../api/types.gen'
import { Icon, Skeleton, Time } from '../components'
import { inert } from '../event/inert'
import { useTo } from '../event/paths'
import { count, span } from '../state/time'
import s from './overview.module.css'
import { judge, moment, silent } from './state'

/** How the record of each cluster is: signed, verified, arriving. */
export function Records({ states }: { states: LedgerState[] | undefined }) {
  if (!states) return <Skeleton height="3rem" />
  return (
    <ul className={s.records} aria-label="The record of each cluster" data-testid="records">
      {states.length === 0 && <li className="soft">There is no event yet that you may see.</li>}
      {states.map((state) => (
        <Record key={state.cluster} state={state} />
      ))}
    </ul>
  )
}

function Record({ state }: { state: LedgerState }) {
  const to = useTo()
  const now = Date.now()
  const { tone, words } = judge(state, now)
  const arrival = moment(state.lastArrival)
  const quiet = arrival === undefined ? undefined : (now - arrival) / 1000
  return (
    <li data-tone={tone}>
      <Icon name={tone === 'ok' ? 'shield' : 'alert'} size={18} />
      <Link href={to.here('/ledger')} className={s.cluster}>
        {inert(state.cluster)}
      </Link>
      <b>{words}</b>
      <span className={s.details}>
        {state.events !== undefined && <span>{count(state.events)} events</span>}
        {moment(state.proof.at) !== undefined && (
          <span>
            signed <Time at={state.proof.at} as="ago" />
          </span>
        )}
        <span>
          {moment(state.proof.verified) !== undefined ? (
            <>
              {state.proof.verdict === 'ok' || !state.proof.verdict ? 'verified' : inert(state.proof.verdict)} <Time at={state.proof.verified} as="ago" />
            </>
          ) : (
            'not verified since the server started'
          )}
        </span>
        {quiet !== undefined && <span>{quiet > silent ? `nothing for ${span(quiet)}` : <>last event <Time at={state.lastArrival} as="ago" /></>}</span>}
      </span>
    </li>
  )
}
