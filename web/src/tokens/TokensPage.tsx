import { Page } from '../components'

export default function TokensPage() {
  return <Page title="Tokens">{null}</Page>
}
