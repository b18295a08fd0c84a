// One event, whole: what it says, what is around it, and what proves it.

import assert from 'node:assert/strict'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { screen, served, whole } from './browser.mjs'

const held = served()

screen(held, 'the drawer tells who, what, where and why, and each value narrows the search', async (person, page) => {
  await person.open(`/search?${whole}&q=resource:secrets verb:get user:alice* code<400`)
  await person.rows().first().click()
  const drawer = page.getByRole('complementary', { name: 'Event' })
  const facts = drawer.getByTestId('facts')
  await facts.getByText('Why allowed').waitFor()
  for (const name of ['Who', 'What', 'On what', 'When', 'From where', 'To where', 'Where observed', 'Outcome']) await facts.getByText(name, { exact: true }).waitFor()
  const [, position] = new URL(page.url()).searchParams.get('open').split('/')
  const { end } = await person.ask('event', { cluster: 'demo', position: Number(position) })
  await drawer.getByRole('heading', { name: end.event.sentence }).waitFor()
  await facts.getByText(end.seven.from, { exact: true }).waitFor()
  await drawer.getByTestId('stages').getByText('ResponseComplete').waitFor()
  await facts.getByRole('button', { name: /^Leave out ns / }).click()
  await page.waitForURL((u) => /-ns:/.test(u.searchParams.get('q')))
})

screen(held, 'an event has an address of its own, and neighbours by actor, object and time', async (person, page) => {
  await person.open(`/search?${whole}&q=verb:deletecollection resource:pods stage:ResponseComplete`)
  await person.rows().first().click()
  const drawer = page.locator('[data-drawer]')
  await drawer.getByRole('link', { name: 'Open as a page' }).click()
  await page.waitForURL(/\/event\/demo\/\d+/)
  await person.settled()
  const address = page.url()
  const position = Number(/\/event\/demo\/(\d+)/.exec(address)[1])
  await page.getByRole('heading', { level: 1, name: /deleted/ }).waitFor()
  const part = page.getByTestId('neighbours')
  for (const [by, label] of [['actor', 'Same actor'], ['object', 'Same object'], ['time', 'Same time']]) {
    await part.getByText(label, { exact: true }).click()
    await part.getByRole('list', { name: label }).waitFor()
    await person.settled()
    const { end } = await person.ask('neighbours', { cluster: 'demo', position, by, limit: 5 })
    const shown = await part.getByRole('list', { name: label }).locator('a').evaluateAll((all) => all.map((a) => Number(/\/event\/demo\/(\d+)/.exec(a.getAttribute('href'))[1])))
    assert.deepEqual(shown, [...end.before, ...end.after].map((e) => e.position), label)
  }
  // The next one, and back.
  await page.keyboard.press('j')
  await page.waitForURL((u) => u.pathname !== `/event/demo/${position}`)
  await person.settled()
  await page.keyboard.press('k')
  await page.waitForURL((u) => u.pathname === `/event/demo/${position}`)
  await page.goto(address)
  await page.getByRole('heading', { level: 1, name: /deleted/ }).waitFor()
})

screen(held, 'the event as JSON: unfolded by keys, searched, copied', async (person, page) => {
  await person.context.grantPermissions(['clipboard-read', 'clipboard-write'])
  const { items } = await person.ask('events', { query: 'resource:deployments verb:patch stage:ResponseComplete', since: '2026-11-21T00:00:00Z', until: '2026-11-21T01:00:00Z', limit: 1 })
  await person.open(`/event/demo/${items[0].position}`)
  const tree = page.getByRole('tree', { name: 'the event as JSON' })
  await tree.getByRole('treeitem', { name: /auditID/ }).waitFor()
  await tree.focus()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('c')
  await page.getByText('Value copied').waitFor()
  await page.getByLabel('Find in the event as JSON').fill('requestReceived')
  await page.getByText(/1 of \d/).first().waitFor()
  await tree.locator('[data-hit]').first().waitFor()
  await page.getByRole('button', { name: 'Copy JSON' }).click()
  const copied = JSON.parse(await page.evaluate(() => navigator.clipboard.readText()))
  assert.equal(copied.auditID, items[0].auditID)
})

screen(held, 'the proof is a file that convinces without the ledger', async (person, page) => {
  await person.open(`/search?${whole}&q=resource:secrets verb:list user:alice*`)
  await person.rows().first().click()
  const proof = page.getByTestId('proof')
  await proof.getByText('Signed.').waitFor()
  const coming = page.waitForEvent('download')
  await proof.getByRole('button', { name: 'Proof' }).click()
  const download = await coming
  const file = join(held.annals.folder, download.suggestedFilename())
  await copyFile(await download.path(), file)
  await proof.getByText('Anybody can check the file').waitFor()
  const command = await proof.getByRole('status').locator('code').innerText()
  const printed = await held.annals.command(...command.split(' ').slice(1))
  assert.match(printed, /^the event stands at position [\d,]+ of cluster demo, of 22,949 events/)
  // The bytes as they are kept.
  const bytes = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Bytes as kept' }).click()
  assert.match((await bytes).suggestedFilename(), /^event-demo-\d+\.json$/)
})

screen(held, 'an event that is not there is said to be not there', async (person, page) => {
  person.expected.push(/status of 40[04]/)
  await person.open('/event/demo/99999999')
  await page.getByRole('alert').waitFor()
  await person.accessible('an event that is not there')
  await person.open('/event/demo/first')
  await page.getByText('first is no position').waitFor()
  await person.open('/no/such/page')
  await page.getByText('There is no page at this address').waitFor()
  await person.accessible('no such page')
})
