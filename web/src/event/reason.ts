import type { ObjectAt } from './paths'

// RBAC says in one annotation which binding allowed a request:
//   RBAC: allowed by RoleBinding "web-editors/prod" of ClusterRole "edit" to Group "dev"
// What it says is read for links alone; the text itself is always shown.

export interface Allowed {
  binding: ObjectAt
  bindingText: string
  role: ObjectAt
  roleText: string
  to: string
}

const group = 'rbac.authorization.k8s.io'
const form = /^RBAC: allowed by (ClusterRoleBinding|RoleBinding) "([^"]+)" of (ClusterRole|Role) "([^"]+)" to (.+)$/

export function allowedBy(cluster: string, reason: string): Allowed | undefined {
  const m = form.exec(reason)
  if (!m) return undefined
  const [, kind, binding, roleKind, role, to] = m as unknown as [string, string, string, string, string, string]
  const at = kind === 'RoleBinding' ? binding.lastIndexOf('/') : -1
  const namespace = at < 0 ? undefined : binding.slice(at + 1)
  const name = at < 0 ? binding : binding.slice(0, at)
  return {
    binding: { cluster, resource: kind === 'RoleBinding' ? 'rolebindings' : 'clusterrolebindings', apiGroup: group, namespace, name },
    bindingText: `${kind} ${binding}`,
    role: {
      cluster,
      resource: roleKind === 'Role' ? 'roles' : 'clusterroles',
      apiGroup: group,
      namespace: roleKind === 'Role' ? namespace : undefined,
      name: role,
    },
    roleText: `${roleKind} ${role}`,
    to,
  }
}
