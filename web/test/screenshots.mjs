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
}
const narrow = ['search', 'event']

await mkdir(folder, { recursive: true })
const browser = await launch()
use(browser)
const annals = await Annals.start()
try {
  const auditor = await annals.token('--role', 'auditor', '--bodies', '--name', 'anna')
  for (const colours of ['light', 'dark']) {
    for (const [size, names] of [['desk', Object.keys(screens)], ['phone', narrow]]) {
      const person = await Person.sit(annals, { as: auditor, colours, size: sizes[size] })
      for (const name of names) {
        await person.context.clock.setFixedTime(new Date())
        await person.open(screens[name])
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
