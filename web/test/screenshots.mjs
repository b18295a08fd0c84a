// The pictures in docs/screenshots: the screens that matter, on a real server with the demo's recording. npm run screenshots

import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Annals } from './annals.mjs'
import { reduced } from './png.mjs'
import { Person, launch, sizes, use, whole } from './browser.mjs'

const folder = resolve(import.meta.dirname, '../../docs/screenshots')
const hour = 'since=2026-11-21T00:20:00.000Z&until=2026-11-21T01:00:00.000Z'

const screens = {
  overview: `/?${whole}`,
  search: `/search?${hour}&q=-user:system:*`,
  event: `/search?${hour}&q=resource:secrets code<400 -user:system:*&open=demo/20935`,
  history: `/objects/demo/deployments.apps/prod/worker?since=2026-11-21T00:50:00.000Z&until=2026-11-21T01:00:00.000Z`,
  blame: `/objects/demo/deployments.apps/prod/worker?since=2026-11-21T00:50:00.000Z&until=2026-11-21T01:00:00.000Z&view=blame`,
  actor: `/actors/alice%40example.com?${whole}`,
  sessions: `/sessions?${hour}`,
  question: `/questions/privilege-changes?${hour}`,
  ledger: '/ledger',
  findings: `/findings?${hour}&cluster=demo`,
  finding: ({ items }) => `/findings/${items[0].id}`,
  rules: `/rules?${hour}&state=fired`,
  rule: ({ items }) => `/rules/${items[0].rule}?${hour}`,
  attack: `/attack?${hour}`,
  silences: '/silences',
}
const narrow = ['search', 'event', 'findings', 'finding']

await mkdir(folder, { recursive: true })
const browser = await launch()
use(browser)
const annals = await Annals.start()
try {
  const auditor = await annals.token('--role', 'auditor', '--bodies', '--name', 'anna')
  await annals.command('silences', 'create', '--rule', 'production-changed-by-person', '--cluster', 'demo', '--for', '4h', '--reason', 'Release 2026.11: the team rolls it out')
  await annals.command('silences', 'create', '--user', 'jane@example.com', '--namespace', 'staging', '--for', '2d', '--reason', 'Staging is being rebuilt, ticket 4711')
  for (const colours of ['light', 'dark']) {
    for (const [size, names] of [['desk', Object.keys(screens)], ['phone', narrow]]) {
      const person = await Person.sit(annals, { as: auditor, colours, size: sizes[size] })
      const found = await person.ask('findings', { rules: ['privileged-container'], clusters: ['demo'], limit: 1 })
      for (const name of names) {
        await person.context.clock.setFixedTime(new Date())
        await person.open(typeof screens[name] === 'function' ? screens[name](found) : screens[name])
        if (name === 'findings' && size !== 'phone') {
          await person.page.getByTestId('group').nth(1).getByRole('heading').getByRole('button').click()
          await person.page.getByTestId('findings').waitFor()
        }
        if (name === 'rule') {
          await person.page.getByTestId('hunt').click()
          await person.page.getByTestId('hunted').getByText(/findings? in/).waitFor()
        }
        if (name === 'blame') await person.page.getByTestId('blame').scrollIntoViewIfNeeded()
        if (name === 'ledger') {
          await person.page.getByTestId('verify').click()
          await person.page.getByTestId('report').waitFor({ timeout: 60_000 })
        }
        await person.settled()
        await take(person.page, [name, size === 'phone' ? 'narrow' : '', colours])
      }
      await person.context.close()
    }
    const nobody = await Person.sit(annals, { colours })
    await nobody.page.goto('/')
    await nobody.page.getByRole('heading', { name: 'Sign in to Annals' }).waitFor()
    await take(nobody.page, ['sign-in', '', colours])
    await nobody.context.close()
  }
} finally {
  await browser.close()
  await annals.stop()
}

async function take(page, parts) {
  const file = join(folder, `${parts.filter(Boolean).join('-')}.png`)
  await page.mouse.move(0, 0)
  await page.evaluate(() => document.fonts.ready)
  await writeFile(file, reduced(await page.screenshot({ animations: 'disabled', caret: 'hide' })))
  console.log(`${file} ${((await stat(file)).size / 1000).toFixed(0)} kB`)
}
