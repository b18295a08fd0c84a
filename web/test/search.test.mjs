// The heart: the search line, its histogram, its fields and its rows.

import assert from 'node:assert/strict'
import { screen, served, whole } from './browser.mjs'

const held = served()

screen(held, 'a search is typed, and its rows read as sentences', async (person, page) => {
  await person.open(`/search?${whole}`)
  const { end } = await person.ask('hits', { since: '2026-11-21T00:00:00Z', until: '2026-11-21T01:00:00Z', buckets: 1 })
  assert.match(await person.summary(), new RegExp(`^${end.total.toLocaleString('en-US')} events`))
  const editor = await person.editor()
  await editor.pressSequentially('verb:delete* user:jane*')
  await page.keyboard.press('Escape')
  await page.keyboard.press('Enter')
  await page.waitForURL(/q=verb/)
  await person.settled()
  const want = await person.ask('events', { query: 'verb:delete* user:jane*', since: '2026-11-21T00:00:00Z', until: '2026-11-21T01:00:00Z', limit: 0 })
  assert.ok((await person.summary()).startsWith(`${want.items.length} events · for verb:delete* user:jane*`), await person.summary())
  assert.ok((await person.rows().first().innerText()).includes('deleted'), await person.rows().first().innerText())
  await page.getByTestId('coverage').last().getByText('Complete').waitFor()
})

screen(held, 'an event opens beside the list', async (person, page) => {
  await person.open(`/search?${whole}&q=verb:delete* user:jane*`)
  await person.rows().first().click()
  await page.locator('[data-drawer]').getByTestId('proof').getByText('Signed.').waitFor()
  await person.accessible('search with an event')
  assert.match(page.url(), /open=demo%2F\d+/)
})
