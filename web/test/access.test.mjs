// What each may see: a scoped reader, a reader without bodies, an auditor, an admin.

import assert from 'node:assert/strict'
import { screen, served, whole } from './browser.mjs'

const held = served()
const scoped = ['--role', 'reader', '--scope', 'ns:prod', '--name', 'petra']
const plain = ['--role', 'reader', '--name', 'rita']
const admin = ['--role', 'admin', '--bodies', '--name', 'ada']

screen(held, 'a scoped reader sees prod only, on every screen', { as: scoped }, async (person, page) => {
  const others = /\b(staging|payments|kube-node-lease)\b/
  const clean = async (where) => {
    await person.settled()
    const text = await page.locator('body').innerText()
    // Values inside an event of prod may name another namespace's account; a namespace as such may not stand anywhere.
    for (const line of text.split('\n')) assert.ok(!others.test(line) || /serviceaccount|service account|sa:/.test(line), `${where}: ${line}`)
  }
  await person.open(`/?${whole}`)
  await clean('overview')
  await person.open(`/search?${whole}`)
  await clean('search')
  await page.getByTestId('coverage').last().getByText('only what meets').waitFor()
  const ns = page.getByTestId('facet-ns')
  assert.equal(await ns.getByRole('listitem').count(), 1)
  await ns.getByRole('button', { name: /^Namespace prod: / }).waitFor()
  // No completion outside it.
  const editor = await person.editor()
  await editor.pressSequentially('ns:')
  await page.getByRole('listbox').getByRole('option', { name: /prod/ }).waitFor()
  assert.equal(await page.getByRole('listbox').getByRole('option', { name: others }).count(), 0)
  await person.open(`/search?${whole}&q=ns:staging`)
  await page.getByTestId('empty').getByText('No events match').waitFor()
  assert.equal(await page.getByRole('button', { name: 'Go there' }).count(), 0, 'nothing outside it is near')
  for (const path of ['/objects', '/actors', '/sessions', '/questions/deletions', '/actors/alice%40example.com', '/ledger']) {
    await person.open(`${path}?${whole}`)
    await clean(path)
  }
  // An event, a version and an object outside of it are not there.
  person.expected.push(/status of 404/)
  const { items } = await outside()
  await person.open(`/event/demo/${items[0].position}`)
  await page.getByRole('alert').waitFor()
  await person.open(`/objects/demo/deployments.apps/staging/web?${whole}`)
  await page.getByTestId('empty').waitFor()
  // No figures of the whole ledger, and it is said whose view this is.
  await person.open('/ledger')
  assert.equal(await page.getByText('22,949').count(), 0)
  assert.equal(await page.getByTestId('verify').count(), 0)
  await page.getByText('Verifying reads every event').waitFor()
  await person.accessible('ledger of a reader')
  await page.getByRole('button', { name: 'Signed in as petra, reader' }).click()
  await page.getByRole('dialog', { name: 'Who asks' }).getByText('ns:prod').waitFor()
  assert.equal(await page.getByRole('button', { name: 'Tokens' }).count(), 0)
  await person.accessible('who asks')

  async function outside() {
    const stdout = await held.annals.command('search', 'ns:staging', '--limit', '1', '-o', 'jsonl')
    return { items: stdout.trim().split('\n').map((l) => JSON.parse(l)) }
  }
})

screen(held, 'a reader without bodies sees none, and is told', { as: plain }, async (person, page) => {
  await person.open(`/search?${whole}&q=resource:deployments verb:patch stage:ResponseComplete`)
  await person.rows().first().click()
  await page.getByText('Your token shows no bodies').waitFor()
  assert.equal(await page.getByRole('treeitem', { name: /requestObject|responseObject/ }).count(), 0)
  await page.getByTestId('coverage').last().getByText('without bodies').waitFor()
  await page.getByRole('button', { name: 'Export', exact: true }).click()
  assert.equal(await page.getByRole('dialog').getByLabel('Raw').isDisabled(), true)
  await page.keyboard.press('Escape')
  await person.open(`/objects/demo/deployments.apps/prod/worker?${whole}`)
  await person.settled()
  await person.accessible('a history without bodies')
  assert.equal(await page.getByText('kind: Deployment').count(), 0)
  await person.open('/tokens')
  await page.getByText('Tokens are for the role admin').waitFor()
  await person.open('/ledger/import')
  await page.getByText('Bringing in files is for the role admin').waitFor()
})

screen(held, 'an auditor verifies the whole record, and sees who asked what', async (person, page) => {
  await person.open('/ledger')
  await page.getByTestId('cluster-demo').waitFor()
  await page.getByTestId('verify').click()
  const report = page.getByTestId('report')
  await report.getByText('Everything is as it was recorded.').waitFor({ timeout: 60_000 })
  await report.getByRole('row', { name: /demo/ }).getByText(/22,949/).first().waitFor()
  await person.accessible('ledger, verified')
  await person.open('/search?cluster=annals&last=all')
  await person.rows().first().waitFor()
  await person.accessible('own acts')
})

screen(held, 'an admin makes a token that is shown once, and revokes it', { as: admin }, async (person, page) => {
  await person.open('/tokens')
  await person.accessible('tokens')
  await page.getByRole('button', { name: 'New token' }).click()
  const form = page.getByTestId('token-form')
  await form.getByLabel('Whose it is').fill('tilda')
  await form.getByRole('textbox', { name: 'Scope' }).fill('ns:prod (')
  await person.accessible('a new token')
  person.expected.push(/status of 400/)
  await form.getByRole('button', { name: 'Make the token' }).click()
  await form.getByRole('alert').waitFor()
  await form.getByRole('textbox', { name: 'Scope' }).fill('ns:prod')
  await form.getByRole('button', { name: 'Make the token' }).click()
  const made = page.getByTestId('new-token')
  const text = await made.locator('code').first().innerText()
  assert.match(text, /^annals_/)
  await person.accessible('a token that was made')
  const me = async () => (await fetch(`${held.annals.url}/api/v1/me`, { headers: { Authorization: `Bearer ${text}` } })).status
  assert.equal(await me(), 200)
  await made.getByRole('button', { name: 'Done' }).click()
  await page.reload()
  await page.getByRole('row', { name: /tilda/ }).waitFor()
  assert.equal(await page.getByText(text).count(), 0)
  await page.getByRole('button', { name: 'Revoke the token of tilda' }).click()
  await page.getByRole('dialog', { name: 'Revoke this token?' }).getByRole('button', { name: 'Revoke' }).click()
  await page.getByRole('row', { name: /tilda/ }).waitFor({ state: 'detached' })
  assert.equal(await me(), 401)
})

screen(held, 'an admin brings in a file', { as: admin }, async (person, page) => {
  const { event } = await import('./annals.mjs')
  await person.open('/ledger')
  await page.getByRole('link', { name: 'Bring in files' }).click()
  await page.getByLabel('Cluster', { exact: true }).fill('brought')
  await person.accessible('bring in files')
  const lines = [1, 2, 3].map((n) => JSON.stringify(event(n))).join('\n')
  await page.locator('input[type=file]').setInputFiles({ name: 'audit.log', mimeType: 'text/plain', buffer: Buffer.from(`${lines}\nno event\n`) })
  await page.getByText('no audit event and no known line').waitFor()
  await person.accessible('files brought in')
  await person.open('/search?cluster=brought&last=all&q=user:trudy')
  await person.settled()
  assert.ok((await person.summary()).startsWith('3 events'), await person.summary())
})
