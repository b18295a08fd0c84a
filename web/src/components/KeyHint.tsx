import css from './ui.module.css'

const names: Record<string, string> = { Escape: 'Esc', ArrowLeft: '←', ArrowRight: '→', ArrowUp: '↑', ArrowDown: '↓', Enter: '⏎', ' ': 'Space' }

/** A key, or a sequence such as "g s", as it stands on a keyboard. */
export function KeyHint({ keys }: { keys: string }) {
  return (
    <span>
      {keys.split(' ').map((k, i) => (
        <kbd key={i} className={css.key}>
          {names[k] ?? k}
        </kbd>
      ))}
    </span>
  )
}
