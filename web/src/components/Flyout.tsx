import { Popover } from '@mantine/core'
import { type KeyboardEvent, type ReactElement, type ReactNode, useState } from 'react'
import { Icon, type IconName } from './Icon'
import css from './ui.module.css'

interface Props {
  /** What it is, for those who hear it. */
  label: string
  /** The button that opens it. */
  target: (opened: boolean, toggle: () => void) => ReactElement
  width?: number
  children: ReactNode | ((close: () => void) => ReactNode)
}

/** What opens at a button: choices, or a little form. Arrow keys move in it, as Tab does; Esc closes it. */
export function Flyout({ label, target, width = 240, children }: Props) {
  const [opened, setOpened] = useState(false)
  const close = () => setOpened(false)
  const press = (e: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key]
    if (!step || (e.target instanceof HTMLInputElement && e.target.type === 'text')) return
    const all = [...e.currentTarget.querySelectorAll<HTMLElement>('button, a, input')]
    const to = all[(all.indexOf(document.activeElement as HTMLElement) + step + all.length) % all.length]
    to?.focus()
    e.preventDefault()
  }
  return (
    <Popover opened={opened} onChange={setOpened} position="bottom-end" trapFocus returnFocus width={width}>
      <Popover.Target>{target(opened, () => setOpened(!opened))}</Popover.Target>
      <Popover.Dropdown aria-labelledby="" aria-label={label} className={css.flyout} onKeyDown={press}>
        {typeof children === 'function' ? children(close) : children}
      </Popover.Dropdown>
    </Popover>
  )
}

/** Something to do. */
export function FlyoutItem({ icon, onClick, children }: { icon?: IconName; onClick: () => void; children: ReactNode }) {
  return (
    <button type="button" className={css.flyoutItem} onClick={onClick}>
      {icon && <Icon name={icon} size={14} />}
      <span>{children}</span>
    </button>
  )
}

/** Something that is on or off; one of several, if it is a radio. */
export function FlyoutCheck({ checked, radio, onChange, children }: { checked: boolean; radio?: boolean; onChange: (on: boolean) => void; children: ReactNode }) {
  return (
    <label className={css.flyoutItem}>
      <input type={radio ? 'radio' : 'checkbox'} checked={checked} onChange={(e) => onChange(e.target.checked)} />
      <span>{children}</span>
    </label>
  )
}
