import { useState } from 'react'
import { useAsk } from '../api/hooks'
import type { BaselineEnd, BaselineProfile } from '../api/types.gen'
import { Button, ErrorBox, Panel, Skeleton } from '../components'
import { inert } from '../event/inert'
import { count } from '../state/time'
import s from './actors.module.css'

const habits: Record<string, string> = { action: 'Actions', namespace: 'Namespaces', network: 'Networks', client: 'Clients' }
const few = 8

/** What is usual for somebody, in each cluster that knows them. */
export default function Baselines({ user, clusters }: { user: string; clusters: string[] }) {
  const answer = useAsk<BaselineProfile, BaselineEnd>('actors/baseline', { user, clusters: clusters.length > 0 ? clusters : undefined })
  const profiles = answer.data?.items ?? []
  const end = answer.data?.end
  if (profiles.length > 0) return profiles.map((p) => <Baseline key={p.cluster} profile={p} titled={profiles.length > 1} />)
  return (
    <Panel title="What is usual">
      <div data-testid="baseline">
        <ErrorBox error={answer.error} what="The baseline" retry={() => answer.refetch()} />
        {answer.isPending && <Skeleton height="5rem" />}
        {end && (
          <p className="soft">
            {end.why ? `${inert(end.why[0]!.toUpperCase() + end.why.slice(1))}.` : 'Nothing is known of this user yet.'} Somebody must have been active on {count(end.needs)} days before anything is called unusual for them.
          </p>
        )}
      </div>
    </Panel>
  )
}

function Baseline({ profile: p, titled }: { profile: BaselineProfile; titled: boolean }) {
  return (
    <Panel
      title={`What is usual${titled ? ` in ${inert(p.cluster)}` : ''}`}
      tools={
        <span className="soft">
          compared with {count(p.peers)} other {inert(p.kind)}
        </span>
      }
    >
      <div className={s.stack} data-testid="baseline">
        <p>
          Active on <b>{count(p.active)}</b> of the last 64 days, {p.from.slice(0, 10)} → {p.until.slice(0, 10)}.{' '}
          {p.active < p.needs ? (
            <span className="warn">
              Too little to call anything unusual: that needs {count(p.needs)} active days, {count(p.needs - p.active)} more.
            </span>
          ) : (
            <span className="soft">What is unusual against it is a finding.</span>
          )}
        </p>
        <Hours hours={p.hours} />
        <div className={s.three}>
          {p.habits.map((h) => (
            <Habit key={h.feature} title={habits[h.feature] ?? h.feature} habit={h} />
          ))}
        </div>
        {p.peaks && p.peaks.length > 0 && <Peaks peaks={p.peaks} />}
        {!!p.unkept && <p className="soft">{count(p.unkept)} events of others were not kept for baselines, since there are too many actors.</p>}
      </div>
    </Panel>
  )
}

const two = (n: number) => String(n).padStart(2, '0')

/** On how many days they were active in each hour. */
function Hours({ hours }: { hours: number[] }) {
  const most = Math.max(1, ...hours)
  return (
    <div>
      <h3 className={s.spansHead}>Hours (UTC)</h3>
      <ol className={s.hours} aria-label="Days active by hour of the day, UTC">
        {hours.map((n, h) => (
          <li key={h} title={`${two(h)}:00: on ${count(n)} days`}>
            <span className={s.hour} aria-hidden="true">
              <span style={{ height: `${n === 0 ? 0 : Math.max(4, (n / most) * 100)}%` }} />
            </span>
            <span className={s.hourName}>{two(h)}</span>
            <span className={s.hourDays}>{n > 0 ? n : <span className="visually-hidden">never</span>}</span>
          </li>
        ))}
      </ol>
    </div>
  )
}

function Habit({ title, habit }: { title: string; habit: BaselineProfile['habits'][number] }) {
  const [all, setAll] = useState(false)
  const shown = all ? habit.values : habit.values.slice(0, few)
  return (
    <div>
      <h3 className={s.spansHead}>{title}</h3>
      {habit.values.length === 0 && <p className="soft">None.</p>}
      {habit.values.length > 0 && (
        <table className={s.habit}>
          <caption className="visually-hidden">{title} that are usual</caption>
          <thead>
            <tr>
              <th scope="col">Value</th>
              <th scope="col">Days</th>
              <th scope="col">Peers</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((v) => (
              <tr key={v.value}>
                <th scope="row" title={`${v.first.slice(0, 10)} to ${v.last.slice(0, 10)}`}>
                  {inert(v.value) || <i>none</i>}
                </th>
                <td>{count(v.days)}</td>
                <td>{count(v.peers)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {habit.values.length > few && (
        <Button small kind="quiet" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? 'Fewer' : `All ${count(habit.values.length)}`}
        </Button>
      )}
      {!!habit.more && all && <p className="soft">and {count(habit.more)} more</p>}
    </div>
  )
}

/** The changes in each day's busiest hour. */
function Peaks({ peaks }: { peaks: NonNullable<BaselineProfile['peaks']> }) {
  const most = Math.max(1, ...peaks.map((p) => p.changes))
  const days = peaks.slice(-64)
  return (
    <div>
      <h3 className={s.spansHead}>Changes in the busiest hour of a day</h3>
      <p className="soft">At most {count(most)}, on {peaks.find((p) => p.changes === most)?.day.slice(0, 10)}.</p>
      <ol className={s.peaks} aria-label="Changes in the busiest hour, by day">
        {days.map((p) => (
          <li key={p.day} title={`${p.day.slice(0, 10)}: ${count(p.changes)}`}>
            <span style={{ height: `${p.changes === 0 ? 0 : Math.max(4, (p.changes / most) * 100)}%` }} aria-hidden="true" />
            <span className="visually-hidden">
              {p.day.slice(0, 10)}: {count(p.changes)}
            </span>
          </li>
        ))}
      </ol>
      <div className={s.ends}>
        <span>{days[0]?.day.slice(0, 10)}</span>
        {days.length > 1 && <span>{days.at(-1)?.day.slice(0, 10)}</span>}
      </div>
    </div>
  )
}
