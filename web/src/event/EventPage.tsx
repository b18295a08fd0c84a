import { useParams } from 'wouter'
import { ErrorBox, Page } from '../components'
import s from './EventView.module.css'
import { EventView } from './EventView'

/** /event/:cluster/:position */
export default function EventPage() {
  const { cluster = '', position = '' } = useParams<{ cluster: string; position: string }>()
  if (!/^\d+$/.test(position)) {
    return (
      <Page title="Event">
        <ErrorBox error={new Error(`The address names no event: ${position} is no position. A position is a number, such as /event/prod/4812.`)} />
      </Page>
    )
  }
  return (
    <div className={s.page}>
      <EventView cluster={cluster} position={Number(position)} page />
    </div>
  )
}
