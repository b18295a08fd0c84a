import { useState } from 'react'
import type { RuleState } from '../api/types.gen'
import { Button, CopyButton } from '../components'
import { inert } from '../event/inert'
import s from './findings.module.css'

export const languages: Record<string, string> = { sigma: 'Sigma', falco: 'Falco', search: 'saved search', annals: 'Annals, in Go' }

/** What a rule is about, and how it is written. */
export function RuleText({ rule, folded }: { rule: RuleState; folded?: boolean }) {
  const [open, setOpen] = useState(!folded)
  const list = (name: string, texts: string[] | undefined) =>
    texts && texts.length > 0 ? (
      <div>
        <dt>{name}</dt>
        <dd>
          {texts.length === 1 ? (
            inert(texts[0]!)
          ) : (
            <ul className={s.bullets}>
              {texts.map((t) => (
                <li key={t}>{inert(t)}</li>
              ))}
            </ul>
          )}
        </dd>
      </div>
    ) : null
  return (
    <div className={s.stack} data-testid="rule">
      <dl className={s.facts}>
        {folded && list('Rule', [rule.title])}
        {list('Why it is worth knowing', rule.about ? [rule.about] : undefined)}
        {list('What it finds', rule.words ? [rule.words] : undefined)}
        {list('False positives', rule.falsePositives)}
        <div>
          <dt>Written in</dt>
          <dd>
            {languages[rule.language] ?? rule.language}
            {rule.author && <>, by {inert(rule.author)}</>}
            {rule.license && <>, {inert(rule.license)}</>}
          </dd>
        </div>
        <div>
          <dt>Version</dt>
          <dd>
            <code>{rule.version}</code>
            {rule.status && <span className="soft"> {inert(rule.status)}</span>}
          </dd>
        </div>
        {rule.file && (
          <div>
            <dt>File</dt>
            <dd>
              <code>
                {inert(rule.file)}
                {rule.line ? `:${rule.line}` : ''}
              </code>
            </dd>
          </div>
        )}
        {!folded && list('References', rule.references)}
      </dl>
      {rule.text && (
        <>
          <div className={s.textBar}>
            <Button small aria-expanded={open} onClick={() => setOpen(!open)}>
              {open ? 'Hide the text' : 'Show the text'}
            </Button>
            <CopyButton labelled small label="Copy the rule" text={rule.text} />
          </div>
          {open && (
            <pre className={s.text} tabIndex={0} aria-label="The rule as it is written">
              {inert(rule.text)}
            </pre>
          )}
        </>
      )}
    </div>
  )
}
