import { Page } from '../components'

export default function AskPage() {
  return <Page title="Ask">{null}</Page>
}
