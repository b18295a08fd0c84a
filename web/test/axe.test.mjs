// Every screen, in light and dark, at a desk, on a telephone and at 200 % zoom: axe finds nothing, and nothing scrolls sideways.

import { screen, served, sizes, whole } from './browser.mjs'

const held = served()

const screens = [
  ['overview', `/?${whole}`],
  ['search', `/search?${whole}&q=ns:prod`],
  ['search, nothing found', `/search?${whole}&q=verb:nosuchverb`],
  ['search as a table', `/search?${whole}&q=resource:secrets&cols=user,verb,resource,name,code`],
  ['search with an event', `/search?${whole}&q=verb:deletecollection&open=demo/22784`],
  ['event', '/event/demo/22784'],
  ['findings', `/findings?${whole}&severity=high`],
  ['findings, unfolded', `/findings?${whole}&by=who&severity=high&q=user:alice*`],
  ['no findings', `/findings?${whole}&user=nobody`],
  ['finding', () => held.finding],
  ['rules', `/rules?${whole}&state=fired&severity=medium`],
  ['rule', () => `${held.rule}?${whole}`],
  ['ATT&CK map', `/attack?${whole}`],
  ['silences', '/silences?ended=1'],
  ['alerts', '/alerts'],
  ['objects', `/objects?${whole}`],
  ['difference', `/objects/demo/deployments.apps/prod/worker?${whole}`],
  ['blame', `/objects/demo/deployments.apps/prod/worker?${whole}&view=blame`],
  ['actors', `/actors?${whole}`],
  ['actor', `/actors/alice%40example.com?${whole}`],
  ['sessions', `/sessions?${whole}`],
  ['lanes', `/sessions?${whole}&view=lanes`],
  ['questions', `/questions?${whole}`],
  ['question', `/questions/deletions?${whole}`],
  ['ledger', '/ledger'],
  ['import', '/ledger/import'],
  ['tokens', '/tokens'],
]

for (const colours of ['light', 'dark']) {
  for (const [name, size] of Object.entries(sizes)) {
    screen(held, `${colours}, ${name}`, { as: ['--role', 'admin', '--bodies', '--name', 'ada'], colours, size, timeout: 180_000 }, async (person, page) => {
      const { items } = await person.ask('findings', { rules: ['privileged-container'], limit: 1 })
      Object.assign(held, { finding: `/findings/${items[0].id}`, rule: `/rules/${items[0].rule}` })
      for (const [what, path] of screens) {
        await person.open(typeof path === 'function' ? path() : path)
        await person.fits(`${what} (${name})`)
        await person.accessible(`${what} (${colours}, ${name})`, { colours: colours === 'dark' && name !== 'desk' })
      }
      if (name === 'phone') {
        await page.getByRole('button', { name: 'Menu' }).click()
        await page.getByRole('dialog', { name: 'Annals' }).getByRole('link', { name: 'Search' }).waitFor()
        await person.accessible(`menu (${colours})`)
        await page.getByRole('dialog', { name: 'Annals' }).getByRole('link', { name: 'Search' }).click()
        await page.getByRole('button', { name: /the fields$/ }).click()
        await page.getByRole('dialog', { name: 'Fields' }).getByTestId('facet-user').waitFor()
        await person.accessible(`fields (${colours})`)
      }
    })
  }
}
