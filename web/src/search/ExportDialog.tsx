import { useState } from 'react'
import { pathOf } from '../api/client'
import { useMe } from '../api/hooks'
import { Button, CopyButton, Dialog } from '../components'
import { inert } from '../event/inert'
import { count } from '../state/time'
import css from './search.module.css'
import type { Asked } from './useResults'
import { cliOf, curlOf } from './commands'

const formats = [
  ['jsonl', 'JSON lines', 'one event a line, with what Annals knows of it'],
  ['csv', 'CSV', 'the columns, for a spreadsheet'],
  ['parquet', 'Parquet', 'the columns with their types and the bodies, for DuckDB, pandas and the like'],
  ['json', 'JSON', 'one array'],
  ['yaml', 'YAML', 'a document for each event'],
  ['raw', 'Raw', 'each event’s bytes as they were recorded, one a line: the evidence'],
] as const

/** The whole result as a file; the server streams it. */
export function ExportDialog({ opened, onClose, asked, total }: { opened: boolean; onClose: () => void; asked: Asked; total?: number }) {
  const [format, setFormat] = useState<string>('jsonl')
  const [zip, setZip] = useState(true)
  const me = useMe()
  const path = pathOf('export', { ...asked, format, archive: zip ? undefined : 'none' })
  // The command line writes every format but this one.
  const command = format === 'parquet' ? curlOf(pathOf('export', { ...asked, format, archive: 'none' }), 'events.parquet') : cliOf(asked, ` -o ${format}`)
  return (
    <Dialog opened={opened} onClose={onClose} title="Export the whole result">
      <div className={css.export}>
        <p>
          {total === undefined ? 'All events' : `All ${count(total)} events`} that match, not only the rows that are loaded. The export is itself recorded, as an event in the cluster <code>annals</code>.
        </p>
        <fieldset>
          <legend>Format</legend>
          {formats.map(([key, name, about]) => (
            <label key={key} title={key === 'raw' && !me.data?.bodies ? 'Your token may not see bodies' : undefined}>
              <input type="radio" name="format" value={key} checked={format === key} onChange={() => setFormat(key)} disabled={key === 'raw' && !me.data?.bodies} />
              <span>
                <b>{name}</b>
                <span className="soft">{about}</span>
              </span>
            </label>
          ))}
        </fieldset>
        <label>
          <input type="checkbox" checked={zip} onChange={(e) => setZip(e.target.checked)} />
          <span>
            <b>As evidence</b>
            <span className="soft">a zip with a manifest (how many, whether complete, SHA-256) and signed checkpoints</span>
          </span>
        </label>
        <pre tabIndex={0}>{inert(command)}</pre>
        <div className={css.exportActions}>
          <CopyButton labelled text={command} label={format === 'parquet' ? 'Copy as curl' : 'Copy as CLI'} />
          <a className={css.download} href={path} download data-testid="download" onClick={onClose}>
            Download
          </a>
          <Button onClick={onClose}>Cancel</Button>
        </div>
      </div>
    </Dialog>
  )
}
