import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, useSearchParams } from 'wouter'
import { send } from '../api/client'
import { useAsk, useMe } from '../api/hooks'
import type { AlertSilence, SilencesEnd } from '../api/types.gen'
import { Button, Commands, DataTable, Dialog, Empty, ErrorBox, Icon, type IconName, Page, Skeleton, Time } from '../components'
import { inert } from '../event/inert'
import fs from '../findings/findings.module.css'
import { SilenceDialog } from '../findings/SilenceDialog'
import { count } from '../state/time'
import { Matchers } from './Matchers'
import s from './silences.module.css'

type State = 'active' | 'pending' | 'expired'

const icons: Record<State, IconName> = { active: 'pause', pending: 'clock', expired: 'check' }

/** One that began when it was made is no silence to come, however far this machine's clock is behind the server's. */
function stateOf(x: AlertSilence, now: number): State {
  const start = Date.parse(x.start)
  if (x.by || Date.parse(x.end) <= now) return 'expired'
  return start > now && start > Date.parse(x.made) ? 'pending' : 'active'
}

/** What people are not told of, for a while. ?ended=1: those that are over, too. */
export default function SilencesPage() {
  const me = useMe()
  const client = useQueryClient()
  const [params, setParams] = useSearchParams()
  const ended = params.get('ended') === '1'
  const auditor = me.data !== undefined && me.data.role !== 'reader'
  const answer = useAsk<AlertSilence, SilencesEnd>('silences', { ended }, { enabled: auditor, keep: true })
  const [creating, setCreating] = useState(false)
  const [expiring, setExpiring] = useState<AlertSilence>()
  const [said, setSaid] = useState('')
  const all = answer.data?.items
  const now = Date.now()
  if (me.data && !auditor) {
    return (
      <Page title="Silences" crumbs={[['Findings', '/findings']]}>
        <p>Silences are for auditors; you are {me.data.role}.</p>
      </Page>
    )
  }
  return (
    <Page
      title="Silences"
      about="What people are not told of, for a while. It is found and recorded all the same."
      crumbs={[['Findings', '/findings']]}
      actions={
        <>
          <Link href="/alerts" className={fs.aside}>
            Alerts
          </Link>
          <Commands cli={`annals silences list${ended ? ' --ended' : ''}`} name="silences" question={{ ended }} />
          <Button kind="primary" icon="plus" onClick={() => setCreating(true)}>
            New silence
          </Button>
        </>
      }
    >
      <span className="visually-hidden" role="status">
        {said}
      </span>
      <div className={fs.counts}>
        <label>
          <input
            type="checkbox"
            checked={ended}
            onChange={(e) => {
              const on = e.target.checked
              setParams((p) => {
                on ? p.set('ended', '1') : p.delete('ended')
                return p
              })
            }}
          />{' '}
          Those that are over, too
        </label>
        {all && (
          <p>
            <b>{count(all.filter((x) => stateOf(x, now) === 'active').length)}</b> active, <b>{count(all.filter((x) => stateOf(x, now) === 'pending').length)}</b> to come
            {ended && (
              <>
                , <b>{count(all.filter((x) => stateOf(x, now) === 'expired').length)}</b> over
              </>
            )}
          </p>
        )}
      </div>
      <ErrorBox error={answer.error} what="Listing the silences" retry={() => answer.refetch()} />
      {!all && !answer.error && <Skeleton height="12rem" />}
      {all?.length === 0 && (
        <Empty title={ended ? 'There is no silence, and there was none in the last 90 days' : 'No silence holds'} ranged={false}>
          <p>Everybody is told of everything that alerts are configured for.</p>
        </Empty>
      )}
      {all && all.length > 0 && (
        <DataTable
          caption="Silences"
          rows={all}
          id={(x) => x.id}
          columns={[
            {
              key: 'state',
              head: 'State',
              by: (x) => stateOf(x, now),
              cell: (x) => {
                const state = stateOf(x, now)
                return (
                  <span className={s.state} data-state={state}>
                    <Icon name={icons[state]} size={12} />
                    {state}
                  </span>
                )
              },
            },
            { key: 'match', head: 'Of what', header: true, cell: (x) => <Matchers of={x.match} /> },
            { key: 'reason', head: 'Why', cell: (x) => inert(x.reason) },
            { key: 'owner', head: 'Owner', by: (x) => x.owner, cell: (x) => inert(x.owner) },
            { key: 'start', head: 'From', by: (x) => x.start, cell: (x) => <Time at={x.start} as="minute" /> },
            {
              key: 'end',
              head: 'Until',
              by: (x) => x.end,
              cell: (x) => (
                <>
                  <Time at={x.end} as="minute" />
                  {x.by && <span className="soft"> ended by {inert(x.by)}</span>}
                </>
              ),
            },
            {
              key: 'expire',
              head: <span className="visually-hidden">End</span>,
              cell: (x) =>
                stateOf(x, now) === 'expired' ? null : (
                  <Button small onClick={() => setExpiring(x)} aria-label={`End the silence: ${inert(x.reason)}`}>
                    End
                  </Button>
                ),
            },
          ]}
        />
      )}
      <SilenceDialog opened={creating} onClose={() => setCreating(false)} onMade={() => setSaid('The silence was made')} />
      <ExpireDialog
        silence={expiring}
        onClose={() => setExpiring(undefined)}
        expire={async (x) => {
          await send('/api/v1/silences/expire', { method: 'POST', body: JSON.stringify({ id: x.id }) }, {})
          setExpiring(undefined)
          setSaid('The silence was ended')
          client.invalidateQueries({ queryKey: ['silences'] })
          client.invalidateQueries({ queryKey: ['findings/finding'] })
        }}
      />
    </Page>
  )
}

function ExpireDialog({ silence, onClose, expire }: { silence: AlertSilence | undefined; onClose: () => void; expire: (x: AlertSilence) => Promise<void> }) {
  const [error, setError] = useState<Error>()
  return (
    <Dialog opened={silence !== undefined} onClose={onClose} title="End this silence?">
      {silence && (
        <div className={fs.form}>
          <p>
            From now on people are told again of <Matchers of={silence.match} />. What came during the silence is not told after it.
          </p>
          <ErrorBox error={error} what="Ending the silence" />
          <div className={fs.buttons}>
            <Button onClick={onClose} data-autofocus>
              Cancel
            </Button>
            <Button
              kind="danger"
              onClick={() => {
                setError(undefined)
                expire(silence).catch(setError)
              }}
            >
              End it
            </Button>
          </div>
        </div>
      )}
    </Dialog>
  )
}
