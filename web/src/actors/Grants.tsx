import { Link } from 'wouter'
import type { ActorGrant } from '../api/types.gen'
import { DataTable, Icon, Time } from '../components'
import { inert } from '../event/inert'
import { type ObjectAt, objectPath, useTo } from '../event/paths'
import { quoted } from '../state/query'
import { count } from '../state/time'
import s from './actors.module.css'

interface Props {
  grants: ActorGrant[]
  cluster: string
  search: (more?: string) => string
}

const group = 'rbac.authorization.k8s.io'

/** What let somebody do what they did, and what they were given and did not use. */
export function Grants({ grants, cluster, search }: Props) {
  const to = useTo()
  if (grants.length === 0) return <p className={`soft ${s.inset}`}>No event names what allowed it: reasons are recorded from the level Metadata on, by authorization modes that give one.</p>
  return (
    <DataTable
      caption="Grants, used and unused"
      rows={grants}
      id={(g, i) => `${i} ${g.binding}`}
      columns={[
        {
          key: 'binding',
          head: 'By',
          header: true,
          by: (g) => g.binding || g.reason || '',
          cell: (g) => {
            const at = bindingOf(cluster, g.binding)
            if (!g.binding) return inert(g.reason || 'unknown')
            return at ? <Link href={to.here(objectPath(at))}>{inert(g.binding)}</Link> : inert(g.binding)
          },
        },
        {
          key: 'role',
          head: 'Role',
          by: (g) => g.role,
          cell: (g) => {
            const at = roleOf(cluster, g.role, g.binding)
            return at ? <Link href={to.here(objectPath(at))}>{inert(g.role)}</Link> : inert(g.role)
          },
        },
        { key: 'to', head: 'Given to', by: (g) => g.to, cell: (g) => inert(g.to) },
        {
          key: 'used',
          head: 'Used',
          align: 'right',
          by: (g) => g.count,
          cell: (g) =>
            g.unused ? (
              <span className={s.unused}>
                <Icon name="minus" size={12} /> not used
              </span>
            ) : (
              <Link href={search(g.binding && g.reason ? `reason:${quoted(g.reason)}` : g.reason ? `reason:${quoted(g.reason)}` : `reason:${starred(g.binding)}`)}>{count(g.count)}</Link>
            ),
        },
        {
          key: 'for',
          head: 'For',
          cell: (g) => (
            <span className={s.for}>
              {[g.verbs?.join(', '), g.resources?.join(', ')].filter(Boolean).map((t) => inert(t!)).join(' on ')}
            </span>
          ),
        },
        {
          key: 'last',
          head: 'Last',
          by: (g) => g.last ?? '',
          cell: (g) => (g.unused ? g.where ? <Link href={to.here(`/event/${g.where}`)}>seen given</Link> : null : <Time at={g.last} as="minute" />),
        },
      ]}
    />
  )
}

/** The reason of a binding begins the same whatever the role. */
function starred(binding: string): string {
  const [kind, name = ''] = split(binding)
  const [namespace, short] = kind === 'RoleBinding' && name.includes('/') ? [name.slice(0, name.indexOf('/')), name.slice(name.indexOf('/') + 1)] : ['', name]
  return `*${[kind, namespace ? `${short}/${namespace}` : short].join('*').replaceAll(/[\s"()\\]/g, '*')}*`
}

const split = (text: string): [string, string] => {
  const at = text.search(/[ /]/)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

function bindingOf(cluster: string, binding: string): ObjectAt | undefined {
  const [kind, name] = split(binding)
  if (kind === 'ClusterRoleBinding' && name) return { cluster, resource: 'clusterrolebindings', apiGroup: group, name }
  const slash = name.indexOf('/')
  if (kind === 'RoleBinding' && slash > 0) return { cluster, resource: 'rolebindings', apiGroup: group, namespace: name.slice(0, slash), name: name.slice(slash + 1) }
  return undefined
}

function roleOf(cluster: string, role: string, binding: string): ObjectAt | undefined {
  const [kind, name] = split(role)
  if (!name) return undefined
  if (kind === 'ClusterRole') return { cluster, resource: 'clusterroles', apiGroup: group, name }
  const slash = name.indexOf('/')
  const namespace = slash > 0 ? name.slice(0, slash) : bindingOf(cluster, binding)?.namespace
  return kind === 'Role' && namespace ? { cluster, resource: 'roles', apiGroup: group, namespace, name: slash > 0 ? name.slice(slash + 1) : name } : undefined
}
