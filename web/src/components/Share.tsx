import { shareURL, useRange } from '../state/range'
import { CopyButton } from './Copy'

/** Copies the address of what is shown, with absolute times: it shows others the same, whenever they open it. */
export function Share() {
  const range = useRange()
  return <CopyButton labelled label="Copy link" text={() => shareURL(range, range.now)} />
}
