import { useAsk } from '../api/hooks'
import type { ActorRole } from '../api/types.gen'
import { Button, Commands, CopyButton, CoverageLine, ErrorBox, Incomplete, quote, Skeleton } from '../components'
import { inert } from '../event/inert'
import { saveBlob } from '../event/save'
import s from './actors.module.css'

/** The least RBAC that covers what somebody did. */
export default function LeastRole({ question }: { question: { user: string } }) {
  const answer = useAsk<never, ActorRole>('actors/rbac', question)
  const role = answer.data?.end
  if (answer.error) return <ErrorBox error={answer.error} what="Writing the role" retry={() => answer.refetch()} />
  if (!role) return <Skeleton height="14rem" />
  return (
    <div className={s.stack} data-testid="least-role">
      <div className={s.daysBar}>
        <span className="soft">It covers what was recorded: what they did outside this range, or what the policy does not record, is not in it.</span>
        <span className={s.buttons}>
          <CopyButton small labelled label="Copy YAML" text={role.yaml} />
          <Button small icon="download" onClick={() => saveBlob(new Blob([role.yaml], { type: 'application/yaml' }), `rbac-${question.user}.yaml`)}>
            Save
          </Button>
          <Commands small cli={`annals rbac ${quote(question.user)}`} name="actors/rbac" question={question} />
        </span>
      </div>
      <Incomplete of={role.coverage} />
      {role.notes && role.notes.length > 0 && (
        <ul className={s.notes}>
          {role.notes.map((n) => (
            <li key={n}>{inert(n)}</li>
          ))}
        </ul>
      )}
      <pre className={s.yaml} tabIndex={0} aria-label="The role as YAML">
        {inert(role.yaml)}
      </pre>
      <CoverageLine of={role.coverage} unit="requests" />
    </div>
  )
}
