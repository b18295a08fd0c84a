import { useMemo, useState } from 'react'
import { Link } from 'wouter'
import type { ActorDay } from '../api/types.gen'
import { Button, DataTable } from '../components'
import { count } from '../state/time'
import s from './actors.module.css'

/** Requests of each day; days without any are shown as such. */
export function Days({ days, hrefOf }: { days: ActorDay[]; hrefOf: (day: string) => string }) {
  const [table, setTable] = useState(false)
  const all = useMemo(() => filled(days), [days])
  const most = Math.max(1, ...all.map((d) => d.requests))
  if (days.length === 0) return null
  return (
    <div className={s.days}>
      <div className={s.daysBar}>
        <span className="soft">
          Requests per day (UTC), at most {count(most)}; <span className={s.failedKey}>failed ones</span> below
        </span>
        <Button small icon={table ? 'chart' : 'table'} aria-pressed={table} onClick={() => setTable(!table)}>
          {table ? 'As a chart' : 'As a table'}
        </Button>
      </div>
      {table ? (
        <DataTable
          caption="Requests per day"
          rows={days}
          id={(d) => d.day}
          columns={[
            { key: 'day', head: 'Day', header: true, by: (d) => d.day, cell: (d) => <Link href={hrefOf(d.day)}>{d.day}</Link> },
            { key: 'requests', head: 'Requests', align: 'right', by: (d) => d.requests, cell: (d) => count(d.requests) },
            { key: 'failures', head: 'Failures', align: 'right', by: (d) => d.failures, cell: (d) => count(d.failures) },
          ]}
        />
      ) : (
        <>
          <div className={s.chart} role="img" aria-label={`Requests on ${days.length} days; the table says the same`}>
            {all.map((d) => (
              <span key={d.day} className={s.day} title={`${d.day}: ${count(d.requests)} requests, ${count(d.failures)} failed`}>
                <span style={{ height: `${d.requests === 0 ? 0 : Math.max(2, ((d.requests - d.failures) / most) * 100)}%` }} />
                <span data-failed style={{ height: `${(d.failures / most) * 100}%` }} />
              </span>
            ))}
          </div>
          <div className={s.ends}>
            <span>{all[0]?.day}</span>
            {all.length > 1 && <span>{all.at(-1)?.day}</span>}
          </div>
        </>
      )}
    </div>
  )
}

const longest = 400

function filled(days: ActorDay[]): ActorDay[] {
  const first = days[0]
  const last = days.at(-1)
  if (!first || !last) return []
  const by = new Map(days.map((d) => [d.day, d]))
  const out: ActorDay[] = []
  for (let at = Date.parse(first.day); at <= Date.parse(last.day); at += 86_400_000) {
    const day = new Date(at).toISOString().slice(0, 10)
    out.push(by.get(day) ?? { day, requests: 0, failures: 0 })
    if (out.length > longest) return days
  }
  return out
}
