import { useState } from 'react'
import { ask } from '../api/client'
import type { Note } from '../api/types.gen'
import { Button } from '../components'
import { save } from '../event/save'
import s from './ledger.module.css'

/** A signed note to keep elsewhere. */
export function Checkpoint({ cluster }: { cluster: string }) {
  const [state, setState] = useState<{ error?: Error; file?: string }>({})
  const download = async () => {
    setState({})
    try {
      const { end } = await ask<never, Note>('ledger/checkpoint', { cluster })
      const file = `${cluster}.checkpoint`
      save(end.text, file)
      setState({ file })
    } catch (e) {
      setState({ error: e as Error })
    }
  }
  return (
    <span className={s.checkpoint}>
      <Button small icon="download" onClick={download}>
        Checkpoint
      </Button>
      <span role="status">
        {state.file && (
          <>
            Keep it elsewhere; <code>annals verify --against {state.file}</code> checks against it.
          </>
        )}
      </span>
      {state.error && (
        <span role="alert" className="bad">
          {state.error.message}
        </span>
      )}
    </span>
  )
}
