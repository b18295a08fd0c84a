import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { send } from '../api/client'
import { useAsk, useMe } from '../api/hooks'
import type { NewToken, TokenInfo } from '../api/types.gen'
import { Button, Commands, CopyButton, DataTable, Empty, ErrorBox, Icon, Page, Panel, Skeleton, Time } from '../components'
import { inert } from '../event/inert'
import { CreateDialog } from './CreateDialog'
import { RevokeDialog } from './RevokeDialog'
import s from './tokens.module.css'

/** Who may ask, and who may deliver. */
export default function TokensPage() {
  const me = useMe()
  const client = useQueryClient()
  const answer = useAsk<TokenInfo, unknown>('tokens/list', {}, { enabled: me.data?.canTokens === true })
  const [creating, setCreating] = useState(false)
  const [revoking, setRevoking] = useState<TokenInfo>()
  const [made, setMade] = useState<NewToken>()
  const [said, setSaid] = useState('')
  const tokens = answer.data?.items
  const again = () => client.invalidateQueries({ queryKey: ['tokens/list'] })
  if (me.data && !me.data.canTokens) {
    return (
      <Page title="Tokens">
        <p>Tokens are for the role admin; you are {me.data.role}.</p>
      </Page>
    )
  }
  return (
    <Page
      title="Tokens"
      about="With a token somebody asks, or a cluster delivers. Only its hash is kept here."
      actions={
        <>
          <Commands cli="annals token list" name="tokens/list" />
          <Button kind="primary" icon="plus" onClick={() => setCreating(true)}>
            New token
          </Button>
        </>
      }
    >
      <span className="visually-hidden" role="status">
        {said}
      </span>
      {made && <Made made={made} onClose={() => setMade(undefined)} />}
      <ErrorBox error={answer.error} what="Listing the tokens" retry={() => answer.refetch()} />
      {!tokens && !answer.error && <Skeleton height="14rem" />}
      {tokens?.length === 0 && <Empty title="There is no token yet" ranged={false} />}
      {tokens && tokens.length > 0 && (
        <Panel title={tokens.length === 1 ? '1 token' : `${tokens.length} tokens`} flush>
          <DataTable
            caption="Tokens"
            rows={tokens}
            id={(t) => t.id}
            columns={[
              { key: 'name', head: 'Whose', header: true, by: (t) => t.name || t.cluster || '', cell: (t) => inert(t.name || (t.cluster ? `cluster ${t.cluster}` : '')) || <span className="soft">nobody named</span> },
              { key: 'role', head: 'Role', by: (t) => t.role, cell: (t) => t.role },
              { key: 'scope', head: 'Sees', cell: (t) => (t.role === 'ingest' ? <span className="soft">nothing</span> : <Sees token={t} />) },
              { key: 'created', head: 'Made', by: (t) => t.created, cell: (t) => <Time at={t.created} as="minute" /> },
              {
                key: 'expires',
                head: 'Ends',
                by: (t) => t.expires ?? '9',
                cell: (t) =>
                  t.expired ? (
                    <span className={s.ended}>
                      <Icon name="clock" size={12} /> ended <Time at={t.expires} as="ago" />
                    </span>
                  ) : t.expires ? (
                    <Time at={t.expires} as="minute" />
                  ) : (
                    'when it is revoked'
                  ),
              },
              { key: 'note', head: 'Note', cell: (t) => inert(t.note ?? '') },
              { key: 'id', head: 'ID', cell: (t) => <code>{t.id}</code> },
              {
                key: 'revoke',
                head: <span className="visually-hidden">Revoke</span>,
                cell: (t) => (
                  <Button small kind="danger" onClick={() => setRevoking(t)} aria-label={`Revoke the token of ${inert(t.name || t.cluster || t.id)}`}>
                    Revoke
                  </Button>
                ),
              },
            ]}
          />
        </Panel>
      )}
      <CreateDialog
        opened={creating}
        onClose={() => setCreating(false)}
        onMade={(t) => {
          setMade(t)
          setCreating(false)
          setSaid('The token was made')
          again()
        }}
      />
      <RevokeDialog
        token={revoking}
        onClose={() => setRevoking(undefined)}
        revoke={async (t) => {
          await send('/api/v1/tokens/revoke', { method: 'POST', body: JSON.stringify({ id: t.id }) }, {})
          setRevoking(undefined)
          setSaid('The token was revoked')
          again()
        }}
      />
    </Page>
  )
}

function Sees({ token }: { token: TokenInfo }) {
  return (
    <span>
      {token.scope ? <code>{inert(token.scope)}</code> : 'every event'}, {token.bodies ? 'with bodies' : 'without bodies'}
    </span>
  )
}

/** The text of a new token stands here once. */
function Made({ made, onClose }: { made: NewToken; onClose: () => void }) {
  return (
    <section className={s.made} aria-labelledby="made" data-testid="new-token">
      <h2 id="made" tabIndex={-1} ref={(h) => h?.focus()}>
        The token of {inert(made.token.name || made.token.cluster || made.token.id)}
      </h2>
      <p>It is shown this once: copy it now. Whoever has it can ask as them.</p>
      <div className={s.text}>
        <code>{made.text}</code>
        <CopyButton small labelled text={made.text} label="Copy the token" />
        <Button small onClick={onClose}>
          Done
        </Button>
      </div>
    </section>
  )
}
