import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, useLocation, useSearchParams } from 'wouter'
import { send } from '../api/client'
import { useAsk, useMe } from '../api/hooks'
import type { Finding, FindingsCover, RuleState } from '../api/types.gen'
import { Button, Commands, CopyButton, Dialog, ErrorBox, Page, Panel, quote, Skeleton, Time } from '../components'
import { inert } from '../event/inert'
import { useTo } from '../event/paths'
import { findingsHref, rulePath } from '../findings/address'
import { FindingsCoverLine, FindingsIncomplete } from '../findings/Cover'
import { FindingList } from '../findings/FindingList'
import fs from '../findings/findings.module.css'
import { RuleText } from '../findings/RuleText'
import { Severity } from '../findings/severity'
import { Techniques } from '../findings/Techniques'
import { useRange } from '../state/range'
import { count } from '../state/time'
import { Hunt } from './Hunt'
import { Problems } from './Problems'
import s from './rules.module.css'
import { SaveRule } from './SaveRule'

/** One rule: what it looks for and why, what it found, and what it would have found. */
export default function RulePage({ id }: { id: string }) {
  const range = useRange()
  const me = useMe()
  const to = useTo()
  const [params] = useSearchParams()
  const [removing, setRemoving] = useState(false)
  const [changing, setChanging] = useState(false)
  const answer = useAsk<never, RuleState>('rules/rule', { id, ...range.of }, { keep: true })
  const rule = answer.data?.end
  const found = useAsk<Finding, FindingsCover>('findings', { rules: [id], ...range.of, limit: 20 }, { keep: true, enabled: rule !== undefined })
  const admin = me.data?.role === 'admin'
  return (
    <Page
      title={rule ? inert(rule.title) : 'Rule'}
      crumbs={[['Rules', '/rules']]}
      actions={
        rule && (
          <>
            <CopyButton labelled label="Copy link" text={() => new URL(rulePath(rule.id), window.location.origin).toString()} />
            {rule.saved && admin && (
              <>
                <Button onClick={() => setChanging(true)}>Change…</Button>
                <Button kind="danger" onClick={() => setRemoving(true)}>
                  Remove…
                </Button>
              </>
            )}
            <Commands cli={`annals findings --rule ${quote(rule.ruleName)}`} name="rules/rule" question={{ id: rule.id, ...range.of }} />
          </>
        )
      }
    >
      <ErrorBox error={answer.error} what="Reading the rule" retry={() => answer.refetch()} />
      {!rule && !answer.error && <Skeleton height="24rem" />}
      {rule && (
        <>
          <div className={fs.about}>
            <Severity of={rule.severity} />
            <span>{rule.on ? 'on' : 'switched off'}</span>
            {rule.silent && <span>reports nothing itself: others use it</span>}
            {rule.own && <span>looks at Annals’ own acts, too</span>}
            <code>{inert(rule.ruleName)}</code>
            <Techniques of={rule.techniques} />
            {rule.tactics && rule.tactics.length > 0 && <span>{rule.tactics.map((t) => inert(t.replaceAll('-', ' '))).join(', ')}</span>}
          </div>
          {rule.problems && rule.problems.length > 0 && (
            <Panel title={rule.problems.length === 1 ? '1 problem' : `${rule.problems.length} problems`}>
              <Problems of={rule.problems} />
            </Panel>
          )}
          <div className={fs.two}>
            <Panel title="What it looks for">
              <RuleText rule={rule} />
            </Panel>
            <div className={fs.stack}>
              {rule.predicate && (
                <Panel title="Which events it is about" tools={rule.search !== undefined && <Link href={to.search(rule.search, range.of)}>Search for them</Link>}>
                  <pre className={s.predicate} tabIndex={0} aria-label="Which events it is about">
                    {inert(rule.search ?? rule.predicate)}
                  </pre>
                </Panel>
              )}
              <Hunt rule={rule} />
            </div>
          </div>
          <Panel
            title={rule.findings === 1 ? '1 finding in this range' : `${count(rule.findings)} findings in this range`}
            tools={
              rule.findings > 0 && (
                <span>
                  last <Time at={rule.last} as="minute" /> · <Link href={findingsHref(params, { rule: rule.id })}>All of them</Link>
                </span>
              )
            }
            flush
          >
            <div className={fs.flush}>
              <ErrorBox error={found.error} what="Listing its findings" retry={() => found.refetch()} />
              {found.data?.items.length === 0 && <p className={`soft ${fs.inset}`}>It found nothing in this range.</p>}
              {found.data && found.data.items.length > 0 && <FindingList label="Its findings" findings={found.data.items} titled={false} />}
            </div>
          </Panel>
          <FindingsIncomplete of={found.data?.end} />
          <FindingsCoverLine of={found.data?.end} unit={rule.findings > 20 ? 'findings, the newest' : 'findings'} />
          {rule.saved && admin && <SaveRule opened={changing} onClose={() => setChanging(false)} rule={rule} />}
          <RemoveDialog rule={removing ? rule : undefined} onClose={() => setRemoving(false)} />
        </>
      )}
    </Page>
  )
}

function RemoveDialog({ rule, onClose }: { rule: RuleState | undefined; onClose: () => void }) {
  const client = useQueryClient()
  const to = useTo()
  const [, go] = useLocation()
  const [error, setError] = useState<Error>()
  const remove = async () => {
    if (!rule) return
    setError(undefined)
    try {
      await send('/api/v1/rules/remove', { method: 'POST', body: JSON.stringify({ id: rule.id }) }, {})
      client.removeQueries({ queryKey: ['rules'] })
      go(to.here('/rules'))
    } catch (e) {
      setError(e as Error)
    }
  }
  return (
    <Dialog opened={rule !== undefined} onClose={onClose} title="Remove this rule?">
      {rule && (
        <div className={fs.form}>
          <p>
            <b>{inert(rule.title)}</b> is looked for no more. What it found stays on record.
          </p>
          <ErrorBox error={error} what="Removing the rule" />
          <div className={fs.buttons}>
            <Button onClick={onClose} data-autofocus>
              Cancel
            </Button>
            <Button kind="danger" onClick={remove}>
              Remove
            </Button>
          </div>
        </div>
      )}
    </Dialog>
  )
}
