import { Popover } from '@mantine/core'
import { lazy, Suspense, useState } from 'react'
import { Button, Icon, IconButton, KeyHint } from '../components'
import { useKeys } from '../state/keys'
import { presets, useRange } from '../state/range'
import css from './shell.module.css'

const AbsoluteRange = lazy(() => import('./AbsoluteRange'))

/** What ends on the day on which it began says the day once. */
const shorter = (label: string) => label.replace(/^(\S+) (\S+) → \1 /, '$1 $2 → ')

/** Which time everything is about. */
export function RangePicker() {
  const range = useRange()
  const [open, setOpen] = useState(false)
  useKeys([
    { keys: 't', about: 'Choose the time range', group: 'Time', run: () => setOpen(true) },
    { keys: '[', about: 'Earlier by the range’s length', group: 'Time', run: () => range.shift(-1) },
    { keys: ']', about: 'Later by the range’s length', group: 'Time', run: () => range.shift(1) },
    { keys: 'r', about: 'Ask anew, until now', group: 'Time', run: range.refresh },
  ])
  const choose = (key: string) => {
    range.setLast(key)
    setOpen(false)
  }
  return (
    <div className={css.range} role="group" aria-label="Time range">
      <IconButton icon="left" label="Earlier" hint="Earlier ([)" disabled={!range.since} onClick={() => range.shift(-1)} />
      <Popover opened={open} onChange={setOpen} position="bottom-end" trapFocus returnFocus>
        <Popover.Target>
          <Button kind="quiet" className={css.when} aria-haspopup="dialog" aria-expanded={open} onClick={() => setOpen((o) => !o)} data-testid="range">
            <Icon name="clock" size={14} />
            <span>{shorter(range.label)}</span>
            <Icon name="chevron" size={12} />
          </Button>
        </Popover.Target>
        <Popover.Dropdown aria-labelledby="" aria-label="Time range">
          <div className={css.picker}>
            <ul aria-label="Until now">
              {presets.map((p, i) => (
                <li key={p.key}>
                  <button type="button" data-autofocus={(range.last || '24h') === p.key || undefined} aria-pressed={range.last === p.key} onClick={() => choose(p.key)} data-first={i === 0 || undefined}>
                    {p.label}
                    {range.last === p.key && <Icon name="check" size={13} />}
                  </button>
                </li>
              ))}
            </ul>
            <div>
              <Suspense fallback={<div className={css.absolute} />}>
                <AbsoluteRange
                  since={range.since}
                  until={range.until}
                  now={range.now}
                  onChoose={(since, until) => {
                    range.setAbsolute(since, until)
                    setOpen(false)
                  }}
                />
              </Suspense>
              <p className="soft">
                <KeyHint keys="t" /> opens this, <KeyHint keys="[ ]" /> move by a range
              </p>
            </div>
          </div>
        </Popover.Dropdown>
      </Popover>
      <IconButton icon="right" label="Later" hint="Later (])" disabled={!range.since} onClick={() => range.shift(1)} />
    </div>
  )
}
