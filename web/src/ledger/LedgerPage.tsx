import { Page } from '../components'

export default function LedgerPage() {
  return <Page title="Ledger">{null}</Page>
}
