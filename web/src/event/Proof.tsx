import { useState } from 'react'
import { Link } from 'wouter'
import { ask } from '../api/client'
import { useMe } from '../api/hooks'
import type { Proof as ProofFile, ProofState } from '../api/types.gen'
import { Button, CopyButton, Icon, Time } from '../components'
import { count } from '../state/time'
import s from './EventView.module.css'
import { save } from './save'

interface Props {
  cluster: string
  position: number
  auditID?: string
  state: ProofState
}

/** What proves an event: the checkpoint that signs it, when the whole record was last checked, and the file for others. */
export function Proof({ cluster, position, state }: Props) {
  const me = useMe()
  const [name, setName] = useState('')
  const [error, setError] = useState<Error>()
  const download = async () => {
    setError(undefined)
    try {
      const { end } = await ask<never, ProofFile>('proof', { id: String(position), cluster })
      const file = `proof-${end.cluster}-${end.position}.json`
      save(end.file, file)
      setName(file)
    } catch (e) {
      setError(e as Error)
    }
  }
  const wrong = state.verdict !== undefined && state.verdict !== '' && state.verdict !== 'ok'
  const tone = wrong ? 'bad' : state.signed ? 'ok' : 'warn'
  const command = `annals verify ${name || `proof-${cluster}-${position}.json`}${state.publicKey ? ` --key ${state.publicKey}` : ''}`
  return (
    <section className={s.proof} data-tone={tone} aria-label="Proof" data-testid="proof">
      <Icon name={wrong ? 'alert' : 'shield'} size={18} />
      <div>
        <p>
          {state.signed ? (
            <>
              <b>Signed.</b> {state.checkpoint > 0 ? `The checkpoint over ${count(state.checkpoint)} events of ${cluster}` : `A checkpoint of ${cluster}`} covers it
              {state.at && (
                <>
                  , written <Time at={state.at} as="ago" />
                </>
              )}
              .
            </>
          ) : (
            <>
              <b>Not signed yet.</b> The next checkpoint will cover it; that takes about a second.
            </>
          )}{' '}
          {wrong ? (
            <span className="bad">
              The last verification found: {state.verdict}. <Link href="/ledger">See the ledger.</Link>
            </span>
          ) : state.verified ? (
            <>
              The whole record was verified <Time at={state.verified} as="ago" />.
            </>
          ) : (
            <>
              The whole record has not been verified since the server started. {me.data?.canVerify && <Link href="/ledger">Verify it.</Link>}
            </>
          )}
        </p>
        {name && (
          <p role="status" className={s.command}>
            Anybody can check the file, without the ledger: <code>{command}</code> <CopyButton small text={command} label="Copy the command" />
          </p>
        )}
        {error && (
          <p role="alert" className="bad">
            {error.message}
          </p>
        )}
      </div>
      {me.data?.canProve !== false && (
        <Button small icon="download" onClick={download} className="no-print">
          Proof
        </Button>
      )}
    </section>
  )
}
