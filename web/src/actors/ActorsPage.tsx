import { Page } from '../components'

export default function ActorsPage() {
  return <Page title="Actors">{null}</Page>
}
