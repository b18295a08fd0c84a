import { useVirtualizer } from '@tanstack/react-virtual'
import { useMemo, useRef } from 'react'
import type { ObjectVersion } from '../api/types.gen'
import { CopyButton } from '../components'
import { cut, inert } from '../event/inert'
import s from './diff.module.css'

/** One version as YAML, as far as it is known. */
export default function WholeView({ version }: { version: ObjectVersion }) {
  const lines = useMemo(() => (version.object ?? '').replace(/\n$/, '').split('\n'), [version])
  const scroller = useRef<HTMLDivElement>(null)
  const virtual = useVirtualizer({ count: lines.length, getScrollElement: () => scroller.current, estimateSize: () => 21, overscan: 30 })
  return (
    <div className={s.view} data-testid="version">
      <div className={s.bar}>
        <span>
          Version #{version.number}, {version.known}
          {version.why && <span className="soft">: {inert(version.why)}</span>}
        </span>
        {version.object && <CopyButton small labelled label="Copy YAML" text={version.object} />}
      </div>
      {!version.object ? (
        <p className="soft">{version.known === 'gone' ? 'The object was deleted.' : 'Nothing of this version was recorded but that it was made.'}</p>
      ) : (
        <div ref={scroller} className={s.scroller} role="region" aria-label={`Version ${version.number} as YAML`} tabIndex={0} style={{ height: Math.min(virtual.getTotalSize() + 2, 680) }}>
          <div className={s.canvas} style={{ height: virtual.getTotalSize() }}>
            {virtual.getVirtualItems().map((item) => (
              <div key={item.key} ref={virtual.measureElement} data-index={item.index} className={s.row} style={{ transform: `translateY(${item.start}px)` }}>
                <span className={s.cell}>
                  <span className={s.number} aria-hidden="true">
                    {item.index + 1}
                  </span>
                  <span className={s.text}>{inert(cut(lines[item.index]!, 4000)) || ' '}</span>
                </span>
              </div>
            ))}
          </div>
        </div>
      )}
    </div>
  )
}
