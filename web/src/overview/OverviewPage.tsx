import { Link, useLocation, useSearchParams } from 'wouter'
import { Bars } from '../actors/Bars'
import { useAsk } from '../api/hooks'
import type { Overview } from '../api/types.gen'
import { Commands, CoverageLine, ErrorBox, Icon, type IconName, Incomplete, Page, Panel, quote, Skeleton } from '../components'
import { actorPath, useTo } from '../event/paths'
import { FindingsPanel } from '../findings/FindingsPanel'
import { Histogram } from '../search/Histogram'
import { carried, useRange } from '../state/range'
import { count } from '../state/time'
import s from './overview.module.css'
import { Records } from './Records'

/** One event of each request: its last, or the only one that a failed sign-in leaves. As the server counts. */
const once = '(stage:(ResponseComplete OR Panic) OR code:401 stage:ResponseStarted)'

const figures: { key: keyof Overview & string; word: string; about: string; search: string; icon: IconName; loud?: 'warn' | 'bad' }[] = [
  { key: 'failures', word: 'failed', about: 'requests answered with 400 or more', search: `${once} code>=400`, icon: 'alert' },
  { key: 'denied', word: 'denied', about: 'not signed in, or forbidden', search: `${once} code:(401 OR 403)`, icon: 'stop', loud: 'bad' },
  { key: 'secrets', word: 'secrets read', about: 'get, list and watch of secrets', search: `${once} code<400 resource:secrets verb:(get OR list OR watch)`, icon: 'lock' },
  { key: 'sessions', word: 'sessions', about: 'exec, attach and port-forward', search: `${once} (resource:pods/exec OR resource:pods/attach OR resource:pods/portforward)`, icon: 'terminal' },
  { key: 'deletions', word: 'deletions', about: 'of single objects and of collections', search: `${once} code<400 verb:delete*`, icon: 'close' },
  {
    key: 'privileges',
    word: 'privilege changes',
    about: 'roles and bindings',
    search: `${once} code<400 resource:(roles OR clusterroles OR rolebindings OR clusterrolebindings) verb:(create OR update OR patch OR delete*)`,
    icon: 'shield',
    loud: 'warn',
  },
]

/** What happened, and is the record of it whole? */
export default function OverviewPage() {
  const range = useRange()
  const to = useTo()
  const [, go] = useLocation()
  const [params] = useSearchParams()
  const answer = useAsk<never, Overview>('overview', range.of, { keep: true })
  const o = answer.data?.end

  const cli = ['annals search', range.of.since && `--since ${range.of.since}`, range.of.until && `--until ${range.of.until}`, ...range.clusters.map((c) => `--cluster ${quote(c)}`)].filter(Boolean).join(' ')
  return (
    <Page title="What happened" about={range.label} actions={<Commands cli={cli} name="overview" question={range.of} />}>
      <ErrorBox error={answer.error} what="The overview" retry={() => answer.refetch()} />
      <Incomplete of={o?.coverage} />
      <Records states={o?.ledger} />
      <Histogram asked={{ query: '', ...range.of }} range={range} enabled onQuery={(q) => go(`/search${carried(params) || '?'}${carried(params) ? '&' : ''}q=${encodeURIComponent(q)}`)} />
      <ul className={s.figures} aria-label="What there was" data-testid="figures">
        <li>
          <Figure n={o?.events} word="events" about="of all stages" href={to.search('', range.of)} icon="rows" />
        </li>
        {figures.map((f) => (
          <li key={f.key}>
            <Figure n={o?.[f.key] as number | undefined} word={f.word} about={f.about} href={to.search(f.search, range.of)} icon={f.icon} loud={f.loud} />
          </li>
        ))}
      </ul>
      <FindingsPanel range={range.of} severity="medium" title="Found by rules" />
      <div className={s.two}>
        <Panel title="Who did most">
          {!o && !answer.error && <Skeleton height="10rem" />}
          {o && o.actors.length === 0 && <p className="soft">Nobody did anything in this range.</p>}
          {o && o.actors.length > 0 && <Bars label="Who did most" values={o.actors} hrefOf={(v) => (v.value ? to.here(actorPath(v.value)) : to.search('-user:*', range.of))} shown={(v) => (v.value ? undefined : <i>not known</i>)} />}
        </Panel>
        <Panel title="Who was denied most">
          {!o && !answer.error && <Skeleton height="10rem" />}
          {o && o.failing.length === 0 && <p className="soft">Nobody was denied anything in this range.</p>}
          {o && o.failing.length > 0 && (
            <Bars label="Who was denied most" values={o.failing} hrefOf={(v) => to.search(v.value ? `${once} code:(401 OR 403) user:"${v.value.replaceAll(/[\\"]/g, '\\$&')}"` : `${once} code:(401 OR 403) -user:*`, range.of)} shown={(v) => (v.value ? undefined : <i>not known</i>)} />
          )}
        </Panel>
      </div>
      <CoverageLine of={o && { ...o.coverage, returned: o.events }} />
    </Page>
  )
}

interface FigureProps {
  n: number | undefined
  word: string
  about: string
  href: string
  icon: IconName
  loud?: 'warn' | 'bad'
}

function Figure({ n, word, about, href, icon, loud }: FigureProps) {
  return (
    <Link href={href} className={s.figure} data-loud={n ? loud : undefined}>
      <Icon name={icon} size={16} />
      {n === undefined ? <Skeleton width="4rem" height="1.7rem" /> : <b>{count(n)}</b>}
      <span>{word}</span>
      <small>{about}</small>
    </Link>
  )
}
