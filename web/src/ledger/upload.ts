import { AskError } from '../api/client'

// An import is a line with the question and then the file as it is. fetch tells nothing of how much was sent, so this is one of
// the few places for XMLHttpRequest.

export interface Progress {
  Events: number
  Salvaged: number
  Quarantined: number
}

export interface Summary {
  Formats?: Record<string, number>
  Skipped?: Record<string, number>
  New: number
  Duplicates: number
  Conflicts: number
  Salvaged: number
  Quarantined: number
  Reasons?: Record<string, number>
  Examples?: string[]
  From: string
  Until: string
}

export interface Imported {
  summary: Summary
  failed: { path: string; error: string }[]
}

/** upload sends a file. It tells how many bytes are sent, then how many events are read. */
export function upload(cluster: string, file: File, told: (sent: number, read?: Progress) => void, signal: AbortSignal): Promise<Imported> {
  return new Promise((done, failed) => {
    const r = new XMLHttpRequest()
    let from = 0
    let progress: Progress | undefined
    let end: Imported | undefined
    let error: AskError | undefined
    const read = () => {
      for (;;) {
        const at = r.responseText.indexOf('\n', from)
        if (at < 0) return
        const line = JSON.parse(r.responseText.slice(from, at)) as { item?: Progress; end?: Imported; error?: { kind: string; message: string } }
        from = at + 1
        if (line.item) progress = line.item
        if (line.end) end = line.end
        if (line.error) error = new AskError(line.error.kind, line.error.message, r.status)
      }
    }
    r.open('POST', '/api/v1/import')
    r.upload.onprogress = (e) => told(e.loaded, progress)
    r.onprogress = () => {
      try {
        read()
      } catch {
        return // onload says so
      }
      told(file.size, progress)
    }
    r.onload = () => {
      try {
        read()
      } catch {
        error = new AskError('failed', `The server answered ${r.status} ${r.statusText}.`, r.status)
      }
      if (error) failed(error)
      else if (end) done(end)
      else failed(new AskError('cut', 'The answer was cut off before its end. What was read until then is kept; the file can be sent again, and nothing is doubled.'))
    }
    r.onerror = () => failed(new AskError('offline', 'The server could not be reached, or closed the connection.'))
    r.onabort = () => failed(new DOMException('stopped', 'AbortError'))
    signal.addEventListener('abort', () => r.abort())
    r.send(new Blob([`${JSON.stringify({ cluster, name: file.name })}\n`, file]))
  })
}
