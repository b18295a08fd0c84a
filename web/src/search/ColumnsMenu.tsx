import { Menu } from '@mantine/core'
import { Button } from '../components'
import { columns, usual } from './rows'
import css from './search.module.css'

/** Which columns the table has. */
export function ColumnsMenu({ cols, onChange }: { cols: string[]; onChange: (c: string[]) => void }) {
  const toggle = (key: string) => onChange(cols.includes(key) ? cols.filter((c) => c !== key) : columns.filter((c) => cols.includes(c.key) || c.key === key).map((c) => c.key))
  return (
    <Menu closeOnItemClick={false} width={230}>
      <Menu.Target>
        <Button small icon="table">
          Columns
        </Button>
      </Menu.Target>
      <Menu.Dropdown className={css.columnsMenu}>
        {columns.map((c) => (
          <Menu.CheckboxItem key={c.key} checked={cols.includes(c.key)} onChange={() => toggle(c.key)}>
            {c.head}
          </Menu.CheckboxItem>
        ))}
        <Menu.Divider />
        <Menu.Item onClick={() => onChange(usual)}>The usual ones</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
