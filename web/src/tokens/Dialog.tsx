import { Modal } from '@mantine/core'
import type { ReactNode } from 'react'
import s from './tokens.module.css'

interface Props {
  opened: boolean
  onClose: () => void
  title: string
  size?: string
  children: ReactNode
}

/** A dialog without a header element: beside the page's own it would be a second banner. */
export function Dialog({ opened, onClose, title, size, children }: Props) {
  return (
    <Modal.Root opened={opened} onClose={onClose} size={size}>
      <Modal.Overlay />
      <Modal.Content>
        <div className={s.head}>
          <Modal.Title>{title}</Modal.Title>
          <Modal.CloseButton aria-label="Close" />
        </div>
        <Modal.Body>{children}</Modal.Body>
      </Modal.Content>
    </Modal.Root>
  )
}
