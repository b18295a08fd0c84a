import { useState } from 'react'
import { Button, Flyout, FlyoutItem, IconButton } from '../components'
import { inert } from '../event/inert'
import { usePast, useSaved } from './address'
import css from './search.module.css'

/** Searches that were saved in this browser, and those that ran last. */
export function Saved({ query, onRun }: { query: string; onRun: (q: string) => void }) {
  const [saved, setSaved] = useSaved()
  const [past] = usePast()
  const [name, setName] = useState('')
  const there = saved.some((s) => s.query === query)
  const save = () => {
    setSaved([...saved.filter((s) => s.name !== (name || query)), { name: name || query, query }])
    setName('')
  }
  return (
    <Flyout label="Saved searches and history" width={380} target={(opened, toggle) => <IconButton icon="star" small label="Saved searches and history" aria-expanded={opened} onClick={toggle} />}>
      {(close) => {
        const run = (q: string) => {
          close()
          onRun(q)
        }
        return (
          <>
            {query !== '' && !there && (
              <form
                className={css.save}
                onSubmit={(e) => {
                  e.preventDefault()
                  save()
                }}
              >
                <input type="text" value={name} onChange={(e) => setName(e.target.value)} placeholder="Name of this search" aria-label="Name of this search" />
                <Button kind="primary" type="submit">
                  Save
                </Button>
              </form>
            )}
            <h3>Saved</h3>
            {saved.length === 0 && <p className={css.none}>None yet. What you save stays in this browser.</p>}
            {saved.map((s) => (
              <div key={s.name} className={css.savedRow}>
                <FlyoutItem onClick={() => run(s.query)}>
                  <strong>{inert(s.name)}</strong> {s.name !== s.query && <code>{inert(s.query)}</code>}
                </FlyoutItem>
                <IconButton icon="close" small label={`Forget ${s.name}`} onClick={() => setSaved(saved.filter((o) => o !== s))} />
              </div>
            ))}
            <hr />
            <h3>Ran last</h3>
            {past.length === 0 && <p className={css.none}>Nothing yet.</p>}
            {past.map((q) => (
              <FlyoutItem key={q} icon="clock" onClick={() => run(q)}>
                <code>{inert(q)}</code>
              </FlyoutItem>
            ))}
          </>
        )
      }}
    </Flyout>
  )
}
