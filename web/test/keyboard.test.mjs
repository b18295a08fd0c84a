// Without a mouse: from sign-in to the proof of a secret's deletion, and the focus is seen at every step.

import assert from 'node:assert/strict'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { event } from './annals.mjs'
import { becomes, screen, served } from './browser.mjs'

const deleted = event(1, {
  level: 'Metadata',
  verb: 'delete',
  requestURI: '/api/v1/namespaces/prod/secrets/payroll-key',
  objectRef: { resource: 'secrets', namespace: 'prod', name: 'payroll-key', apiVersion: 'v1' },
})
const held = served(() => ({ demo: [deleted] }))

/** What has the focus can be told by its looks: an outline, a ring, or another look than without it. */
const visible = (page) =>
  page.evaluate(() => {
    const looks = (e) => {
      const { outlineStyle, outlineWidth, boxShadow, borderColor, backgroundColor } = getComputedStyle(e)
      return { outline: outlineStyle !== 'none' && Number.parseFloat(outlineWidth) > 0, rest: [boxShadow, borderColor, backgroundColor].join() }
    }
    const at = document.activeElement
    if (!at || at === document.body) return 'nothing has the focus'
    // A radio button that is drawn by its label has no size of its own.
    const own = at.getBoundingClientRect()
    const box = own.width > 1 ? own : (at.nextElementSibling ?? at.parentElement).getBoundingClientRect()
    if (box.width === 0 || box.bottom < 0 || box.top > innerHeight) return `out of sight: ${at.outerHTML.slice(0, 120)}`
    // Its own ring, that of the field it is in, or of what it labels.
    const around = [at, at.closest('[data-query]'), at.parentElement, at.nextElementSibling, at.querySelector('*')].filter(Boolean)
    const focused = around.map(looks)
    if (focused.some((l) => l.outline)) return ''
    at.blur()
    const without = around.map(looks)
    at.focus({ preventScroll: true })
    return focused.some((l, i) => l.rest !== without[i].rest) ? '' : `not to be seen: ${at.outerHTML.slice(0, 160)}`
  })

screen(held, 'the keyboard alone leads to the proof of a deletion', { as: null, flows: true }, async (person, page) => {
  person.expected.push(/status of 401/)
  const seen = () => becomes(() => visible(page), '')
  const focused = () => page.evaluate(() => (document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent ?? '').trim())
  /** Tab until something is reached, each stop on the way in sight. */
  const tabTo = async (name, most = 60) => {
    const stops = []
    for (let i = 0; i < most; i++) {
      await page.keyboard.press('Tab')
      if (await page.evaluate(() => document.activeElement === document.body)) break
      await seen()
      stops.push(await focused())
      if (name.test(stops.at(-1))) return
    }
    assert.fail(`Tab did not lead to ${name}, but to ${stops.join(' | ')}`)
  }
  await page.goto('/')
  await page.getByRole('heading', { name: 'Sign in to Annals' }).waitFor()
  await becomes(() => page.evaluate(() => document.activeElement?.id), 'token')
  await page.keyboard.insertText(await held.annals.token('--role', 'auditor', '--bodies', '--name', 'kim'))
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'What happened' }).waitFor()
  await person.settled()

  // Past the header by the link that is first.
  await page.keyboard.press('Tab')
  await becomes(focused, 'Skip to content')
  await seen()
  await page.keyboard.press('Enter')

  await page.keyboard.press('/')
  await page.waitForURL(/\/search/)
  await person.settled()
  await page.keyboard.press('/')
  await page.locator('.cm-content').waitFor()
  await becomes(() => page.evaluate(() => document.activeElement?.className.includes('cm-content')), true)
  await seen()
  await page.keyboard.type('verb:delete resource:secrets')
  const option = page.getByRole('option', { name: /^secrets/ })
  await person.choose(/^secrets/)
  await page.keyboard.press('Enter')
  await option.waitFor({ state: 'detached' })
  await page.keyboard.press('Escape')
  await page.keyboard.press('Enter')
  await page.waitForURL(/q=verb/)
  await person.rows().first().waitFor()
  await becomes(() => person.rows().count(), 1)

  // Out of the line, through the tools of the results, into the list.
  await tabTo(/payroll-key/)
  await page.keyboard.press('Enter')
  const drawer = page.locator('[data-drawer]')
  await drawer.getByTestId('proof').getByText('Signed.').waitFor()
  await becomes(() => page.evaluate(() => !!document.activeElement?.closest('[data-drawer]')), true)
  await tabTo(/^Proof$/)
  const coming = page.waitForEvent('download')
  await page.keyboard.press('Enter')
  const download = await coming
  const file = join(held.annals.folder, download.suggestedFilename())
  await copyFile(await download.path(), file)
  assert.match(await held.annals.command('verify', file), /payroll-key/)
  await page.keyboard.press('Escape')
  await drawer.waitFor({ state: 'detached' })
  await becomes(() => page.evaluate(() => document.activeElement?.getAttribute('data-row')), 'demo/22949')
  await seen()

  // From there to the object's life, by letters and by Tab.
  for (const [letter, heading] of [['f', 'Findings'], ['r', 'Rules'], ['o', 'Objects'], ['a', 'Actors'], ['e', 'Sessions'], ['q', 'Questions'], ['l', 'Ledger'], ['h', 'What happened']]) {
    await page.keyboard.press('g')
    await page.keyboard.press(letter)
    await page.getByRole('heading', { level: 1, name: heading }).waitFor()
  }
  await page.keyboard.press('?')
  await page.getByRole('dialog', { name: 'Keys' }).waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('dialog', { name: 'Keys' }).waitFor({ state: 'detached' })
})

screen(held, 'every control of every screen can be reached by Tab and seen there', async (person, page) => {
  for (const path of ['/', '/search?last=all', '/event/demo/22949', '/findings?last=all', '/rules?last=all', '/attack?last=all', '/objects', '/objects/demo/deployments.apps/prod/worker?view=blame', '/actors/alice%40example.com', '/sessions', '/questions/deletions', '/ledger']) {
    await person.open(path)
    let stops = 0
    await page.evaluate(() => document.activeElement?.blur())
    for (; stops < 45; stops++) {
      await page.keyboard.press('Tab')
      if (await page.evaluate(() => document.activeElement === document.body)) break
      await becomes(() => visible(page), '', `${path}, stop ${stops + 1}`)
    }
    assert.ok(stops > 10, `${path} has ${stops} stops`)
  }
})

screen(held, 'the keyboard alone leads from sign-in to a silence, and to its end', { as: null }, async (person, page) => {
  person.expected.push(/status of 401/)
  await person.context.clock.setFixedTime(new Date())
  const focused = () => page.evaluate(() => (document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent ?? '').trim())
  const tabTo = async (name, most = 80) => {
    const stops = []
    for (let i = 0; i < most; i++) {
      await page.keyboard.press('Tab')
      await becomes(() => visible(page), '', `after ${stops.slice(-3).join(' | ')}`)
      stops.push(await focused())
      if (name.test(stops.at(-1))) return
    }
    assert.fail(`Tab did not lead to ${name}, but to ${stops.join(' | ')}`)
  }
  await page.goto(`/findings?severity=high&last=all`)
  await page.getByRole('heading', { name: 'Sign in to Annals' }).waitFor()
  await becomes(() => page.evaluate(() => document.activeElement?.id), 'token')
  await page.keyboard.insertText(await held.annals.token('--role', 'auditor', '--bodies', '--name', 'kim'))
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { level: 1, name: 'Findings' }).waitFor()
  await person.settled()
  await page.keyboard.press('Tab')
  await tabTo(/^A privileged container$/)
  await page.keyboard.press('Enter')
  await page.getByTestId('findings').waitFor()
  await tabTo(/^A privileged container: /)
  await page.keyboard.press('Enter')
  await page.getByTestId('why').waitFor()
  await person.settled()
  await page.evaluate(() => document.activeElement?.blur())
  await tabTo(/^Silence…$/)
  await page.keyboard.press('Enter')
  const form = page.getByTestId('silence-form')
  await form.waitFor()
  const within = async (tag) => {
    for (let i = 0; i < 20; i++) {
      if ((await page.evaluate(() => document.activeElement?.tagName)) === tag) return
      await page.keyboard.press('Tab')
    }
    assert.fail(`Tab did not lead to a ${tag} in the dialog`)
  }
  await within('TEXTAREA')
  await page.keyboard.insertText('the test lasts an hour')
  await within('SELECT')
  await page.keyboard.press('ArrowDown')
  await becomes(() => form.locator('select').inputValue(), '1')
  await tabTo(/^Silence$/)
  await page.keyboard.press('Enter')
  await page.getByTestId('silenced').waitFor()
  await page.keyboard.press('Enter')
  await page.getByTestId('fitting').getByText('the test lasts an hour').waitFor()
  await page.keyboard.press('g')
  await page.keyboard.press('f')
  await page.getByRole('heading', { level: 1, name: 'Findings' }).waitFor()
  await person.settled()
  await tabTo(/^Silences$/)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { level: 1, name: 'Silences' }).waitFor()
  await person.settled()
  await tabTo(/^End the silence: the test lasts an hour$/)
  await page.keyboard.press('Enter')
  await page.getByRole('dialog', { name: 'End this silence?' }).waitFor()
  await tabTo(/^End it$/)
  await page.keyboard.press('Enter')
  await page.getByText('No silence holds').waitFor()
})
