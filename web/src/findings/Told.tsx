import { Link } from 'wouter'
import type { FindingDetail } from '../api/types.gen'
import { Button, DataTable, Panel, Time } from '../components'
import { inert } from '../event/inert'
import { useTo } from '../event/paths'
import { Matchers } from '../silences/Matchers'
import { Outcome } from '../silences/Outcome'
import s from './findings.module.css'

/** Who was told of a finding, and which silences keep it from being told. */
export function Told({ detail, silence }: { detail: FindingDetail; silence: () => void }) {
  const to = useTo()
  const { alerts, silences, finding } = detail
  return (
    <div className={s.two}>
      <Panel title="Who was told" tools={<Link href={to.here('/alerts')}>All alerts</Link>} flush>
        {alerts.length === 0 ? (
          <p className={`soft ${s.inset}`}>Nobody: no destination is configured for it, or it waits to be sent.</p>
        ) : (
          <DataTable
            caption="Who was told"
            rows={alerts}
            id={(a) => `${a.key} ${a.destination} ${a.time}`}
            columns={[
              { key: 'time', head: 'When', cell: (a) => <Time at={a.time} as="minute" /> },
              { key: 'to', head: 'Destination', header: true, cell: (a) => inert(a.destination) },
              { key: 'result', head: 'Outcome', cell: (a) => <Outcome of={a} /> },
            ]}
          />
        )}
      </Panel>
      <Panel
        title="Silences"
        tools={
          !finding.withdrawn && (
            <Button small icon="plus" onClick={silence}>
              Silence
            </Button>
          )
        }
      >
        {silences.length === 0 ? (
          <p className="soft">None fits it at present.</p>
        ) : (
          <ul className={s.stack} data-testid="fitting">
            {silences.map((x) => (
              <li key={x.id}>
                <Matchers of={x.match} /> by {inert(x.owner)} until <Time at={x.end} as="minute" />: {inert(x.reason)}
              </li>
            ))}
          </ul>
        )}
      </Panel>
    </div>
  )
}
