import { Button, Flyout, FlyoutCheck, FlyoutItem } from '../components'
import { columns, usual } from './rows'

/** Which columns the table has. */
export function ColumnsMenu({ cols, onChange }: { cols: string[]; onChange: (c: string[]) => void }) {
  const toggle = (key: string) => onChange(cols.includes(key) ? cols.filter((c) => c !== key) : columns.filter((c) => cols.includes(c.key) || c.key === key).map((c) => c.key))
  return (
    <Flyout
      label="Columns"
      target={(opened, toggle) => (
        <Button small icon="table" aria-expanded={opened} onClick={toggle}>
          Columns
        </Button>
      )}
    >
      {columns.map((c) => (
        <FlyoutCheck key={c.key} checked={cols.includes(c.key)} onChange={() => toggle(c.key)}>
          {c.head}
        </FlyoutCheck>
      ))}
      <hr />
      <FlyoutItem onClick={() => onChange(usual)}>The usual ones</FlyoutItem>
    </Flyout>
  )
}
