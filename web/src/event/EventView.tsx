export interface EventViewProps {
  cluster: string
  position: number
}

export default function EventView({ cluster, position }: EventViewProps) {
  return (
    <p>
      {cluster}/{position}
    </p>
  )
}
