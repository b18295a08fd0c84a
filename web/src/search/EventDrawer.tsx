import { FocusTrap } from '@mantine/core'
import { useMediaQuery } from '@mantine/hooks'
import { lazy, Suspense, useEffect, useRef } from 'react'
import { Link } from 'wouter'
import { Boundary, CopyButton, IconButton, Skeleton } from '../components'
import type { Opened } from './address'
import css from './search.module.css'

const EventView = lazy(async () => ({ default: (await import('../event/EventView')).EventView }))

interface Props {
  of: Opened
  takeFocus: boolean
  link: () => string
  onClose: () => void
  onMove: (by: number) => void
}

/** The event beside the list; where there is no room, in front of it. */
export function EventDrawer({ of, takeFocus, link, onClose, onMove }: Props) {
  const narrow = useMediaQuery('(max-width: 1000px)') ?? false
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    if (takeFocus || narrow) heading.current?.focus({ preventScroll: true })
  }, [takeFocus, narrow])
  return (
    <FocusTrap active={narrow}>
      <div
        className={css.drawer}
        data-drawer
        aria-label="Event"
        {...(narrow ? { role: 'dialog', 'aria-modal': true } : { role: 'complementary' })}
        onKeyDown={(e) => {
          if (e.key === 'Escape' && !e.defaultPrevented) {
            e.preventDefault()
            onClose()
          }
        }}
      >
        <div className={css.drawerHead}>
          <h2 ref={heading} tabIndex={-1}>
            <Link href={`/event/${encodeURIComponent(of.cluster)}/${of.position}`}>
              {of.cluster} / {of.position}
            </Link>
          </h2>
          <div>
            <IconButton small icon="up" label="Event before" hint="Event before (k)" onClick={() => onMove(-1)} />
            <IconButton small icon="down" label="Next event" hint="Next event (j)" onClick={() => onMove(1)} />
            <CopyButton small text={link} label="Copy the link to this event" />
            <IconButton small icon="close" label="Close the event" hint="Close (Esc)" onClick={onClose} />
          </div>
        </div>
        <div className={css.drawerBody}>
          <Boundary what="The event">
            <Suspense fallback={<Skeleton height="14rem" />}>
              <EventView key={`${of.cluster}/${of.position}`} cluster={of.cluster} position={of.position} />
            </Suspense>
          </Boundary>
        </div>
      </div>
    </FocusTrap>
  )
}
