// Most records that are looked at for the first time are old: a demo's, or files from another month.

import assert from 'node:assert/strict'
import { screen, served } from './browser.mjs'

const held = served()
const later = new Date('2027-01-15T10:00:00Z')
const day = /2026-11-20 00:54 → 2026-11-21 00:54/

screen(held, 'where the record ended long ago, its last day shows, and is said to', async (person, page) => {
  await person.context.clock.setFixedTime(later)
  for (const path of ['/', '/search', '/objects', '/actors', '/sessions', '/questions/secrets-read']) {
    await person.open(path)
    assert.match(await page.getByTestId('last-day').innerText(), /The newest event is from 2026-11-21 00:53:58 UTC/, path)
    assert.match(await page.getByTestId('range').innerText(), day, path)
    assert.equal(await page.getByTestId('empty').count(), 0, path)
  }
  await person.accessible('the last day of the record')
})

screen(held, 'whoever wants the day until now gets it, and keeps it', async (person, page) => {
  await person.context.clock.setFixedTime(later)
  await person.open('/search')
  await page.getByTestId('last-day').getByRole('button', { name: 'Last 24 hours until now' }).click()
  await page.waitForURL(/last=24h/)
  await page.getByTestId('last-day').waitFor({ state: 'detached' })
  await page.getByRole('link', { name: 'Overview' }).first().click()
  await page.waitForURL(/\/\?last=24h$/)
  assert.match(await page.getByTestId('range').innerText(), /Last 24 hours/)
})

screen(held, 'a record that goes on has the last day until now', async (person, page) => {
  await person.open('/search')
  assert.match(await page.getByTestId('range').innerText(), /Last 24 hours/)
  assert.equal(await page.getByTestId('last-day').count(), 0)
})

screen(held, 'a name that is nobody’s leads to those that are like it', async (person, page) => {
  await person.open('/actors/alice')
  await page.getByTestId('empty').getByRole('link', { name: 'alice@example.com' }).click()
  await page.getByRole('heading', { name: 'alice@example.com' }).waitFor()
  await person.open('/objects/demo/deployments.apps/prod/nope')
  await page.getByTestId('empty').getByText('other names of that kind').waitFor()
  await person.open('/questions/nope')
  assert.equal(await page.getByRole('button', { name: 'Look in everything' }).count(), 0)
})
