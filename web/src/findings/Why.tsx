import { useEffect, useMemo, useState } from 'react'
import { Link } from 'wouter'
import type { DetectMatched, Event, Finding } from '../api/types.gen'
import { CopyButton, Sentence, Time, Value } from '../components'
import { inert } from '../event/inert'
import { JsonTree } from '../event/JsonTree'
import { eventPath, useTo } from '../event/paths'
import { type Json, pathOf, type Step } from '../event/tree'
import { count } from '../state/time'
import { rulePath } from './address'
import s from './findings.module.css'
import { ofLedger, type Tested, tested } from './lit'

/** Why it is a finding: the tests of the rule, and in the event itself the places that passed them. */
export function Why({ finding, events }: { finding: Finding; events: Event[] }) {
  const to = useTo()
  // The event that made it true is the last of them, and of a request's stages the last.
  const [at, setAt] = useState(events.length - 1)
  useEffect(() => setAt(events.length - 1), [events])
  const [place, setPlace] = useState<{ steps: Step[] }>()
  const event = events[at]
  const whole = event?.event as Json | undefined
  const last = at === events.length - 1
  const tests = useMemo(() => tested(whole, [...(finding.matched ?? []), ...inCommon(finding)]), [whole, finding])
  const wanted = tests.filter((t) => !t.not)
  const ruled = tests.filter((t) => t.not)
  const lit = useMemo(() => tests.flatMap((t) => t.steps.map((steps) => ({ steps, label: `matched ${t.n}` }))), [tests])
  return (
    <div className={s.why} data-testid="why">
      {wanted.length > 0 && (
        <table className={s.tests}>
          <caption className="visually-hidden">The tests of the rule that passed</caption>
          <thead>
            <tr>
              <th scope="col">No.</th>
              <th scope="col">The rule asks</th>
              <th scope="col">The event says</th>
              <th scope="col">Where</th>
            </tr>
          </thead>
          <tbody>
            {wanted.map((t, i) => (
              <tr key={i}>
                <td>{t.n > 0 ? <b className={s.number}>{t.n}</b> : ''}</td>
                <th scope="row">
                  {t.window ? inWords(t.test) : <code>{inert(t.test)}</code>}
                </th>
                <td>
                  <Values of={t} />
                </td>
                <td className="soft">
                  {t.steps[0] ? (
                    <button type="button" className={s.narrow} onClick={() => setPlace({ steps: t.steps[0]! })} title="Show it in the event">
                      {whereOf(t)}
                    </button>
                  ) : (
                    whereOf(t)
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {ruled.length > 0 && (
        <details className={s.ruled}>
          <summary>
            and {count(ruled.length)} {ruled.length === 1 ? 'test that rules something out' : 'tests that rule something out'}
          </summary>
          <ul>
            {ruled.map((t, i) => (
              <li key={i}>
                <code>{inert(t.test)}</code> {t.values.length > 0 ? <span className="soft">it is {t.values.map(inert).join(', ')}</span> : <span className="soft">it has none</span>}
              </li>
            ))}
          </ul>
        </details>
      )}
      {event && (
        <>
          <div className={s.litHead}>
            <p>
              <Time at={event.time} as="clock" />{' '}
              <Link href={to.here(eventPath(event.cluster, event.position))}>
                <Sentence event={event} />
              </Link>
            </p>
            {events.length > 1 && (
              <label>
                Shown{' '}
                <select value={at} onChange={(e) => {
                    setPlace(undefined)
                    setAt(Number(e.target.value))
                  }}>
                  {events.map((e, i) => (
                    <option key={e.position} value={i}>
                      {i === events.length - 1 ? 'the event that made it true' : `event ${i + 1} of ${events.length}`}
                    </option>
                  ))}
                </select>
              </label>
            )}
            {whole !== undefined && <CopyButton labelled small label="Copy JSON" text={() => JSON.stringify(whole, null, 2)} />}
          </div>
          {!last && <p className="soft">The tests are those that the last event passed; where this one has the same, it is marked.</p>}
          {whole === undefined ? <p>The bytes hold no event that can be read.</p> : <JsonTree key={event.position} value={whole} label="the event as JSON" lit={lit} at={place} openAtFirst={lit.length === 0 ? ['user', 'objectRef'] : []} />}
        </>
      )}
    </div>
  )
}

/** What the requests of a correlation have in common is looked for in each of them. */
function inCommon(f: Finding): DetectMatched[] {
  return Object.entries(f.group ?? {}).map(([field, value]) => ({ field, test: `the same ${field}`, values: [value] }))
}

const shown = 6

function Values({ of }: { of: Tested }) {
  const to = useTo()
  if (of.values.length === 0) return <span className="soft">{of.window ? '' : 'nothing'}</span>
  return (
    <>
      {of.values.slice(0, shown).map((v) =>
        of.window && /^[0-9a-f]{8}-/.test(v) ? (
          <Link key={v} href={to.here(rulePath(v))} className={s.valueLink}>
            rule {v.slice(0, 8)}
          </Link>
        ) : (
        <Value key={v} value={v} copy={false}>
          <code className={s.valueText}>{inert(v.length > 300 ? `${v.slice(0, 300)}…` : v)}</code>
        </Value>
        ),
      )}
      {of.values.length > shown && <span className="soft"> and {count(of.values.length - shown)} more</span>}
    </>
  )
}

const comparisons: Record<string, string> = { gt: 'more than', gte: 'at least', lt: 'less than', lte: 'at most', eq: 'exactly', neq: 'not' }
const counted: Record<string, string> = { event_count: 'requests', value_count: 'values' }
const orders: Record<string, string> = { temporal: 'requests that these rules match, together', temporal_ordered: 'requests that these rules match, one after the other' }

/** The condition of a correlation as people say it. */
function inWords(test: string): string {
  const m = /^(\w+) (gt|gte|lt|lte|eq|neq) (\S+) within (\S+)$/.exec(test)
  if (m && counted[m[1]!]) return `${comparisons[m[2]!]} ${m[3]} ${counted[m[1]!]} within ${m[4]}`
  const o = /^(\w+) within (\S+)$/.exec(test)
  if (o && orders[o[1]!]) return `${orders[o[1]!]} within ${o[2]}`
  return inert(test)
}

function whereOf(t: Tested): string {
  if (t.window) return 'over all events below'
  if (ofLedger(t.field)) return 'known to the ledger'
  const first = t.steps[0]
  if (!first) return 'worked out from the event'
  return inert(pathOf(first)) + (t.steps.length > 1 ? ` and ${t.steps.length - 1} more` : '')
}
