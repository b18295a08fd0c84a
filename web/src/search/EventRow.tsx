import { memo } from 'react'
import type { Event } from '../api/types'
import { CodeBadge, Icon, Mark, Sentence, Time } from '../components'
import { inert } from '../event/inert'
import { count } from '../state/time'
import { columns } from './rows'
import css from './search.module.css'

interface Props {
  event: Event
  stages: number
  stageNames: string
  unfolded: boolean
  inner: boolean
  selected: boolean
  opened: boolean
  cols: string[] | undefined
  href: string
  rowKey: string
  manyClusters: boolean
  onOpen: (key: string, event: Event, focus: boolean) => void
  onUnfold: (key: string) => void
}

/** One event: the time, what happened in words, and how it ended; or the columns that were chosen. */
export const EventRow = memo(function EventRow({ event, stages, stageNames, unfolded, inner, selected, opened, cols, href, rowKey, manyClusters, onOpen, onUnfold }: Props) {
  const time = <Time at={event.time} as="clock" />
  return (
    <div className={css.row} data-selected={selected || undefined} data-open={opened || undefined} data-inner={inner || undefined} data-code={Math.floor((event.code ?? 0) / 100) || undefined}>
      <span className={css.stages}>
        {stages > 1 && (
          <button type="button" aria-expanded={unfolded} aria-label={`${stages} stages of this request`} title={stageNames} onClick={() => onUnfold(rowKey)} tabIndex={-1}>
            <Icon name={unfolded ? 'chevron' : 'right'} size={11} />
            {stages}
          </button>
        )}
      </span>
      <a
        href={href}
        className={cols ? css.cells : css.story}
        data-row={rowKey}
        tabIndex={selected ? 0 : -1}
        aria-current={opened ? 'true' : undefined}
        onClick={(e) => {
          if (e.metaKey || e.ctrlKey || e.shiftKey || e.button !== 0) return
          e.preventDefault()
          if (window.getSelection()?.type !== 'Range') onOpen(rowKey, event, false)
        }}
      >
        {cols ? (
          <>
            <span className={css.when}>{time}</span>
            {cols.map((key) => {
              const c = columns.find((c) => c.key === key)
              if (!c) return null
              const text = inert(c.of(event))
              return (
                <span key={key} title={text} data-col={key}>
                  {key === 'code' ? <CodeBadge code={event.code} /> : text}
                </span>
              )
            })}
          </>
        ) : (
          <>
            <span className={css.when}>{time}</span>
            <span className={css.what}>
              <Sentence event={event} />
              {inner && <span className={css.aside}>{event.stage}</span>}
              {event.marks?.map((m) => (
                <Mark key={m} mark={m} />
              ))}
              {manyClusters && <span className={css.aside}>{inert(event.cluster)}</span>}
            </span>
            <span className={css.how}>
              <CodeBadge code={event.code} />
            </span>
            <span className={css.pos}>{count(event.position)}</span>
          </>
        )}
      </a>
    </div>
  )
})
