// Nobody asks without signing in, and a session that has ended leads back to where somebody was.

import assert from 'node:assert/strict'
import { screen, served, sizes, whole } from './browser.mjs'

const held = served()

screen(held, 'a wrong token is refused in words, a right one lets in', { as: null }, async (person, page) => {
  person.expected.push(/status of 401/)
  await page.goto(`/search?${whole}&q=verb:delete`)
  await page.getByRole('heading', { name: 'Sign in to Annals' }).waitFor()
  await person.accessible('sign-in')
  const field = page.getByLabel('Token', { exact: true })
  assert.equal(await field.evaluate((e) => e === document.activeElement), true, 'the field has the focus')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('alert').getByText('Paste a token first.').waitFor()
  await field.fill('annals_wrong')
  await field.press('Enter')
  await page.getByRole('alert').getByText('Not let in').waitFor()
  await person.accessible('sign-in, refused')
  await page.getByRole('button', { name: 'Show the token' }).click()
  assert.equal(await field.getAttribute('type'), 'text')
  await field.fill(await person.annals.token('--role', 'auditor', '--name', 'nora'))
  await page.getByRole('button', { name: 'Sign in' }).click()
  // The address that was asked for is the one that comes.
  await page.getByRole('heading', { name: 'Search', level: 1 }).waitFor({ state: 'attached' })
  await person.settled()
  assert.match(page.url(), /q=verb%3Adelete|q=verb:delete/)
  assert.ok((await person.rows().count()) > 0)
  await page.getByRole('button', { name: 'Signed in as nora, auditor' }).click()
  await page.getByText('without bodies').first().waitFor()
  await page.getByRole('button', { name: 'Sign out' }).or(page.getByRole('menuitem', { name: 'Sign out' })).click()
  await page.getByRole('heading', { name: 'Sign in to Annals' }).waitFor()
  assert.deepEqual(await person.context.cookies(), [], 'the cookie is gone')
})

screen(held, 'a session that is over leads to sign-in and back to the same address', async (person, page) => {
  await person.open(`/search?${whole}&q=resource:secrets`)
  const at = page.url()
  person.expected.push(/status of 401/)
  await person.context.clearCookies()
  await page.getByRole('link', { name: 'Overview', exact: true }).click()
  await page.getByRole('heading', { name: 'Sign in to Annals' }).waitFor()
  await page.goBack()
  await page.getByLabel('Token', { exact: true }).fill(held.auditor)
  await page.keyboard.press('Enter')
  await page.getByTestId('summary').waitFor()
  await person.settled()
  assert.equal(page.url(), at)
})

for (const colours of ['light', 'dark']) {
  for (const [name, size] of Object.entries(sizes)) {
    screen(held, `sign-in is for everybody: ${colours}, ${name}`, { as: null, colours, size }, async (person, page) => {
      person.expected.push(/status of 401/)
      await page.goto('/')
      await page.getByRole('heading', { name: 'Sign in to Annals' }).waitFor()
      await person.accessible('sign-in')
      await person.fits('sign-in')
    })
  }
}
