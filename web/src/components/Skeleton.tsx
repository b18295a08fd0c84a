import css from './ui.module.css'

/** What holds the place of something that is on its way; as large as that will be, so that nothing jumps. */
export function Skeleton({ width = '100%', height = '0.8rem' }: { width?: string; height?: string }) {
  return <span className={css.skeleton} style={{ width, height }} aria-hidden="true" />
}
