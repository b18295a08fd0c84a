import { useMemo } from 'react'
import { Link, useLocation, useSearchParams } from 'wouter'
import { useAsk } from '../api/hooks'
import type { Answer, NamedQuestion } from '../api/types.gen'
import { Commands, Empty, ErrorBox, Page, Skeleton } from '../components'
import { inert } from '../event/inert'
import { useTo } from '../event/paths'
import s from './ask.module.css'
import { QuestionPage } from './QuestionPage'

/** /questions, and /questions/:name */
export default function AskPage() {
  const [path] = useLocation()
  const name = decode(path.split('/')[2] ?? '')
  const answer = useAsk<NamedQuestion, Answer>('ask', {})
  const questions = answer.data?.items
  if (name) {
    const question = questions?.find((q) => q.name === name)
    if (question) return <QuestionPage key={name} question={question} />
    return (
      <Page title={inert(name)} crumbs={[['Questions', '/questions']]}>
        <ErrorBox error={answer.error} retry={() => answer.refetch()} />
        {answer.isPending && <Skeleton height="12rem" />}
        {questions && <Empty title={`There is no question ${inert(name)}`} ranged={false} />}
      </Page>
    )
  }
  return <List questions={questions} error={answer.error} retry={() => answer.refetch()} trouble={answer.data?.end.trouble} />
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

interface ListProps {
  questions: NamedQuestion[] | undefined
  error: Error | null
  retry: () => void
  trouble?: string
}

function List({ questions, error, retry, trouble }: ListProps) {
  const to = useTo()
  const [params, setParams] = useSearchParams()
  const text = params.get('find') ?? ''
  const groups = useMemo(() => grouped(questions ?? [], text), [questions, text])
  const found = groups.reduce((n, [, qs]) => n + qs.length, 0)
  return (
    <Page title="Questions" about="What people ask, each by one name here, on the command line and in the API." actions={<Commands cli="annals ask" name="ask" />}>
      <ErrorBox error={error} retry={retry} what="Listing the questions" />
      {trouble && (
        <p role="alert" className="warn">
          Questions that were added could not be read: {inert(trouble)}
        </p>
      )}
      <div className={s.find}>
        <input
          type="search"
          aria-label="Find a question"
          placeholder="Find a question: secrets, exec, admin…"
          value={text}
          onChange={(e) => {
            const v = e.currentTarget.value
            setParams(
              (p) => {
                v ? p.set('find', v) : p.delete('find')
                return p
              },
              { replace: true },
            )
          }}
        />
        <span className="soft" role="status">
          {questions && text && `${found} of ${questions.length}`}
        </span>
      </div>
      {!questions && !error && <Skeleton height="24rem" />}
      {questions && found === 0 && <p className="soft">No question holds “{text}”. Its words are looked for in titles, names and explanations.</p>}
      <div className={s.groups} data-testid="questions">
        {groups.map(([name, qs]) => (
          <section key={name} aria-labelledby={`group-${name}`} className={s.group}>
            <h2 id={`group-${name}`}>{inert(name)}</h2>
            <ul>
              {qs.map((q) => (
                <li key={q.name}>
                  <Link href={to.here(`/questions/${encodeURIComponent(q.name)}`)}>{inert(q.title)}</Link>
                  <p>
                    {inert(firstOf(q.about))}
                    {q.file && <span className="soft"> · added in {inert(q.file)}</span>}
                  </p>
                </li>
              ))}
            </ul>
          </section>
        ))}
      </div>
    </Page>
  )
}

const firstOf = (about: string) => /^.*?\.(?=\s|$)/s.exec(about)?.[0] ?? about

function grouped(questions: NamedQuestion[], text: string): [string, NamedQuestion[]][] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const groups = new Map<string, NamedQuestion[]>()
  for (const q of questions) {
    const all = `${q.title} ${q.name} ${q.about} ${q.group}`.toLowerCase()
    if (!words.every((w) => all.includes(w))) continue
    groups.set(q.group, [...(groups.get(q.group) ?? []), q])
  }
  return [...groups]
}
