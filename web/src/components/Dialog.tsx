import { Drawer, Modal } from '@mantine/core'
import type { ReactNode } from 'react'
import css from './ui.module.css'

interface Props {
  opened: boolean
  onClose: () => void
  title: string
  size?: string
  children: ReactNode
}

/** What must be dealt with before anything else. Its head is no landmark, as Mantine's own would be. */
export function Dialog({ opened, onClose, title, size = 'md', children }: Props) {
  return (
    <Modal.Root opened={opened} onClose={onClose} size={size}>
      <Modal.Overlay />
      <Modal.Content>
        <div className={css.dialogHead}>
          <Modal.Title>{title}</Modal.Title>
          <Modal.CloseButton aria-label="Close" />
        </div>
        <Modal.Body>{children}</Modal.Body>
      </Modal.Content>
    </Modal.Root>
  )
}

/** The same, at the side. */
export function SideDialog({ opened, onClose, title, size = '18rem', children }: Props) {
  return (
    <Drawer.Root opened={opened} onClose={onClose} size={size}>
      <Drawer.Overlay />
      <Drawer.Content>
        <div className={css.dialogHead}>
          <Drawer.Title>{title}</Drawer.Title>
          <Drawer.CloseButton aria-label="Close" />
        </div>
        <Drawer.Body>{children}</Drawer.Body>
      </Drawer.Content>
    </Drawer.Root>
  )
}
