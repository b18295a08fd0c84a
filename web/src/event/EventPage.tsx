import { Page } from '../components'

export default function EventPage() {
  return <Page title="Event">{null}</Page>
}
