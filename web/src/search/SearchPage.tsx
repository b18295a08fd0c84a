import { Page } from '../components'

export function SearchPage() {
  return <Page title="Search">{null}</Page>
}
