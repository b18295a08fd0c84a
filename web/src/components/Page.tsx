import { type ReactNode, useEffect } from 'react'
import { Link, useSearchParams } from 'wouter'
import { carried } from '../state/range'
import css from './ui.module.css'

interface Props {
  title: string
  about?: ReactNode
  /** Where this stands: [label, path] of what is above it. */
  crumbs?: [string, string][]
  actions?: ReactNode
  children: ReactNode
}

/** A screen but for the search: its heading, what can be done, and what it shows. */
export function Page({ title, about, crumbs, actions, children }: Props) {
  const [params] = useSearchParams()
  useEffect(() => {
    document.title = `${title} · Annals`
  }, [title])
  return (
    <div className={css.page}>
      <header>
        <div>
          {crumbs && (
            <nav aria-label="Breadcrumbs">
              <ol className={css.crumbs}>
                {crumbs.map(([label, path]) => (
                  <li key={path}>
                    <Link href={path + carried(params)}>{label}</Link>
                  </li>
                ))}
              </ol>
            </nav>
          )}
          <h1>{title}</h1>
          {about && <p>{about}</p>}
        </div>
        {actions && <div className={`${css.actions} no-print`}>{actions}</div>}
      </header>
      {children}
    </div>
  )
}

interface PanelProps {
  title: ReactNode
  tools?: ReactNode
  /** The content reaches the edges: a table. */
  flush?: boolean
  children: ReactNode
}

export function Panel({ title, tools, flush, children }: PanelProps) {
  return (
    <section className={css.panel}>
      <header>
        <h2>{title}</h2>
        {tools}
      </header>
      <div data-flush={flush || undefined}>{children}</div>
    </section>
  )
}
