import { Switch } from '@mantine/core'
import { Dialog, KeyHint } from '../components'
import { useAllKeys, useLetters } from '../state/keys'
import css from './shell.module.css'

const usual = ['Everywhere', 'Go', 'Time', 'Search', 'Events']
// What is of one screen comes last.
const rank = (g: string) => (usual.includes(g) ? usual.indexOf(g) : usual.length)

/** All keys that work on this screen. */
export function Help({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const keys = useAllKeys()
  const [letters, setLetters] = useLetters()
  const groups = [...new Set(keys.map((k) => k.group))].sort((a, b) => rank(a) - rank(b))
  return (
    <Dialog opened={opened} onClose={onClose} title="Keys" size="lg">
      <div className={css.keys}>
        {groups.map((g) => (
          <section key={g}>
            <h3>{g}</h3>
            <dl>
              {keys
                .filter((k) => k.group === g)
                .map((k) => (
                  <div key={k.keys + k.about}>
                    <dt>
                      <KeyHint keys={k.keys} />
                    </dt>
                    <dd>{k.about}</dd>
                  </div>
                ))}
            </dl>
          </section>
        ))}
      </div>
      <Switch mt="md" checked={letters} onChange={(e) => setLetters(e.currentTarget.checked)} label="Single letters are keys" description="Turn off if dictation or a slip of the hand presses them." />
    </Dialog>
  )
}
