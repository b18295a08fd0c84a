import { Page } from '../components'

export default function ObjectsPage() {
  return <Page title="Objects">{null}</Page>
}
