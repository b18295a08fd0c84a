import { useEffect, useState } from 'react'
import { Button, IconButton } from './Button'

/** Copy to the clipboard, also where the page is not on https. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const area = document.createElement('textarea')
    area.value = text
    area.style.position = 'fixed'
    area.style.opacity = '0'
    const focused = document.activeElement
    document.body.append(area)
    area.select()
    const done = document.execCommand('copy')
    area.remove()
    if (focused instanceof HTMLElement) focused.focus()
    return done
  }
}

interface Props {
  text: string | (() => string)
  /** What is copied: "Copy as curl". */
  label: string
  /** Show the label, too. */
  labelled?: boolean
  small?: boolean
}

export function CopyButton({ text, label, labelled, small }: Props) {
  const [state, setState] = useState<'' | 'done' | 'failed'>('')
  useEffect(() => {
    if (!state) return
    const t = setTimeout(() => setState(''), 1600)
    return () => clearTimeout(t)
  }, [state])
  const copy = async () => setState((await copyText(typeof text === 'string' ? text : text())) ? 'done' : 'failed')
  const shown = state === 'done' ? 'Copied' : state === 'failed' ? 'Not copied: the browser refused' : label
  const icon = state === 'done' ? 'check' : 'copy'
  return (
    <>
      {labelled ? (
        <Button icon={icon} small={small} onClick={copy}>
          {shown}
        </Button>
      ) : (
        <IconButton icon={icon} small={small} label={label} hint={shown} onClick={copy} />
      )}
      <span role="status" className="visually-hidden">
        {state && shown}
      </span>
    </>
  )
}
