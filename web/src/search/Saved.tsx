import { Menu } from '@mantine/core'
import { useState } from 'react'
import { Icon, IconButton } from '../components'
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
    <Menu width={380} closeOnItemClick>
      <Menu.Target>
        <IconButton icon="star" small label="Saved searches and history" />
      </Menu.Target>
      <Menu.Dropdown className={css.saved}>
        {query !== '' && !there && (
          <form
            className={css.save}
            onSubmit={(e) => {
              e.preventDefault()
              save()
            }}
          >
            <input value={name} onChange={(e) => setName(e.target.value)} placeholder="Name of this search" aria-label="Name of this search" onKeyDown={(e) => e.stopPropagation()} />
            <button type="submit">Save</button>
          </form>
        )}
        <Menu.Label>Saved</Menu.Label>
        {saved.length === 0 && <p className={css.none}>None yet. What you save stays in this browser.</p>}
        {saved.map((s) => (
          <div key={s.name} className={css.savedRow}>
            <Menu.Item onClick={() => onRun(s.query)}>
              <strong>{s.name}</strong>
              {s.name !== s.query && <code>{s.query}</code>}
            </Menu.Item>
            <IconButton icon="close" small label={`Forget ${s.name}`} onClick={() => setSaved(saved.filter((o) => o !== s))} />
          </div>
        ))}
        <Menu.Divider />
        <Menu.Label>Ran last</Menu.Label>
        {past.length === 0 && <p className={css.none}>Nothing yet.</p>}
        {past.map((q) => (
          <Menu.Item key={q} leftSection={<Icon name="clock" size={13} />} onClick={() => onRun(q)}>
            <code>{q}</code>
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}
