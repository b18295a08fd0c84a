import { Tooltip } from '@mantine/core'
import type { ButtonHTMLAttributes, ReactNode, Ref } from 'react'
import { Icon, type IconName } from './Icon'
import css from './ui.module.css'

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: 'plain' | 'primary' | 'quiet' | 'danger'
  small?: boolean
  icon?: IconName
  ref?: Ref<HTMLButtonElement>
}

export function Button({ kind = 'plain', small, icon, children, className, ...rest }: Props) {
  return (
    <button type="button" {...rest} className={`${css.button} ${className ?? ''}`} data-kind={kind} data-small={small || undefined}>
      {icon && <Icon name={icon} size={small ? 13 : 15} />}
      {children}
    </button>
  )
}

interface IconProps extends Omit<Props, 'children'> {
  icon: IconName
  /** What it does; shown on hover and read aloud. */
  label: string
  hint?: ReactNode
}

export function IconButton({ icon, label, hint, kind = 'quiet', small, className, ...rest }: IconProps) {
  return (
    <Tooltip label={hint ?? label} disabled={rest['aria-expanded'] === true}>
      <button
        type="button"
        aria-label={label}
        {...rest}
        className={`${css.button} ${css.icon} ${className ?? ''}`}
        data-kind={kind}
        data-small={small || undefined}
      >
        <Icon name={icon} size={small ? 14 : 16} />
      </button>
    </Tooltip>
  )
}
