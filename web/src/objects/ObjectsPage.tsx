import { lazy, Suspense } from 'react'
import { useLocation } from 'wouter'
import { Page, Skeleton } from '../components'
import { ObjectPicker } from './ObjectPicker'

const ObjectPage = lazy(() => import('./ObjectPage'))

/** /objects, and /objects/:cluster/:resource/:namespace/:name */
export default function ObjectsPage() {
  const [path] = useLocation()
  const [cluster, resource, namespace, name] = path.split('/').slice(2).map(read)
  if (!cluster || !resource || !namespace || !name) return <ObjectPicker />
  const dot = resource.indexOf('.')
  const at = {
    cluster: cluster === '-' ? '' : cluster,
    resource: dot < 0 ? resource : resource.slice(0, dot),
    apiGroup: dot < 0 ? undefined : resource.slice(dot + 1),
    namespace: namespace === '-' ? undefined : namespace,
    name,
  }
  return (
    <Suspense
      fallback={
        <Page title={name}>
          <Skeleton height="20rem" />
        </Page>
      }
    >
      <ObjectPage key={path} at={at} />
    </Suspense>
  )
}

function read(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
