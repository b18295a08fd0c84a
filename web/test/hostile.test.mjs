// Events are written by whoever sends requests. Whatever stands in them is text, on every screen: nothing runs, nothing loads,
// nothing hides or turns around what stands beside it, and the page goes on answering.

import assert from 'node:assert/strict'
import { event } from './annals.mjs'
import { becomes, screen, served, whole } from './browser.mjs'

const html = '<img src=x onerror=alert(1)><script>alert(2)</script><a href="javascript:alert(3)">x</a>'
const bidi = 'evil\u202Etxt.exe\u2066\u200B\u200D\uFEFF\u00AD'
const ansi = '\u001b[31mred\u001b[0m\u001b]8;;https://evil.example\u0007link\u001b]8;;\u0007\u0000\u0008'
const large = 10 << 20

const object = (name, data) => ({ kind: 'ConfigMap', apiVersion: 'v1', metadata: { name, namespace: 'prod', uid: 'c0ffee00-0000-4000-8000-000000000001', resourceVersion: '7' }, data })
const ref = (name) => ({ resource: 'configmaps', namespace: 'prod', name, apiVersion: 'v1' })
const prototype = JSON.parse('{"__proto__":{"polluted":"yes"},"constructor":{"prototype":{"polluted":"yes"}},"toString":"x","hasOwnProperty":"x","then":"x","length":-1}')

const events = [
  event(1, { user: { username: html, groups: [html] }, userAgent: `curl/8 ${html} ${ansi}`, sourceIPs: ['192.0.2.66', html], verb: 'delete', requestURI: `/api/v1/namespaces/prod/configmaps/${html}`, objectRef: ref(html), annotations: { 'authorization.k8s.io/decision': 'allow', 'authorization.k8s.io/reason': `RBAC: allowed by ClusterRoleBinding "${html}" of ClusterRole "javascript:alert(4)" to User "${bidi}"`, [html]: html } }),
  event(2, { user: { username: `admin${bidi}` }, verb: 'update', objectRef: ref(`web${bidi}`), responseObject: object(`web${bidi}`, { [bidi]: `${ansi}${bidi}` }) }),
  event(3, { user: { username: ansi.replace('\0', '') }, verb: 'create', objectRef: ref('trap'), responseObject: object('trap', { [html]: html, line: `first\u2028second\u0085third`, 'javascript:alert(5)': 'javascript:alert(6)' }) }),
  event(4, { verb: 'update', objectRef: ref('trap'), responseObject: object('trap', prototype) }),
  event(5, { user: { username: '__proto__', extra: prototype }, verb: 'update', objectRef: ref('trap'), requestObject: prototype, responseObject: object('trap', { constructor: html, '<b>bold</b>': ansi }) }),
  event(6, { verb: 'create', objectRef: { ...ref('shell'), resource: 'pods', subresource: 'exec' }, requestURI: `/api/v1/namespaces/prod/pods/shell/exec?command=${encodeURIComponent(html)}&command=${encodeURIComponent(ansi)}&container=${encodeURIComponent(bidi)}&stdin=true`, responseStatus: { metadata: {}, code: 101 } }),
  event(7, { user: { username: 'constructor' }, verb: 'hasOwnProperty', objectRef: { resource: '__proto__', namespace: 'toString', name: 'valueOf', apiVersion: 'v1' } }),
  event(8, { objectRef: ref('large'), verb: 'update', responseObject: object('large', { blob: `<b>${'A'.repeat(large)}</b>` }) }),
]
const held = served(() => ({ hostile: events }))

/** No character that turns, hides or commands is drawn, no element came of an event, and nothing ran. */
async function inert(person, page, where) {
  await person.settled()
  const found = await page.evaluate(() => {
    const bad = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200d-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    const texts = []
    while (walk.nextNode()) if (bad.test(walk.currentNode.data) && !walk.currentNode.parentElement.closest('script,style')) texts.push(JSON.stringify(walk.currentNode.data.slice(0, 100)) + walk.currentNode.parentElement.outerHTML.slice(0, 80))
    for (const e of document.querySelectorAll('[title],[aria-label],[placeholder]')) for (const n of ['title', 'aria-label']) if (bad.test(e.getAttribute(n) ?? '')) texts.push(`${n} ${JSON.stringify(e.getAttribute(n).slice(0, 100))}`)
    if (bad.test(document.title)) texts.push(`title ${document.title}`)
    return {
      texts,
      elements: [...document.querySelectorAll('img, iframe, object, embed, a[href^="javascript:" i], [onerror], [onclick]')].map((e) => e.outerHTML.slice(0, 120)),
      polluted: {}.polluted,
    }
  })
  assert.deepEqual(found, { texts: [], elements: [], polluted: undefined }, where)
  // It still answers within a moment.
  const began = Date.now()
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(done)))
  assert.ok(Date.now() - began < 2000, `${where} answers`)
}

screen(held, 'rows, facets, table and completion', { flows: true }, async (person, page) => {
  await person.open(`/search?${whole}&cluster=hostile`)
  await becomes(() => person.rows().count(), events.length)
  await page.getByRole('link', { name: /onerror=alert/ }).first().waitFor()
  await inert(person, page, 'search')
  for (const field of ['name', 'ip', 'agent', 'subresource']) await page.getByTestId(`facet-${field}`).getByRole('button').first().click()
  await inert(person, page, 'facets')
  await person.accessible('hostile events')
  await page.keyboard.press('v')
  await page.locator('[data-col=user]').first().waitFor()
  await inert(person, page, 'table')
  await page.getByLabel('Split the histogram by').selectOption('user')
  await person.settled()
  await inert(person, page, 'histogram by actor')
  await page.getByRole('button', { name: 'Show as table' }).click()
  await inert(person, page, 'histogram as a table')
  const editor = await person.editor()
  await editor.pressSequentially('user:')
  await page.getByRole('listbox').getByRole('option').nth(2).waitFor()
  await inert(person, page, 'completion')
  await page.keyboard.press('Escape')
  // A condition on such a value finds its event.
  await page.getByTestId('facet-user').getByRole('button', { name: /^User <img/ }).click()
  await page.waitForURL(/q=/)
  await becomes(() => person.rows().count(), 1)
  await inert(person, page, 'search for it')
  await page.getByRole('button', { name: 'Show conditions as chips' }).click()
  await inert(person, page, 'chips')
})

screen(held, 'each event, beside the list and as a page', async (person, page) => {
  for (let position = 0; position < events.length; position++) {
    await person.open(`/event/hostile/${position}`)
    await page.getByTestId('facts').waitFor()
    await inert(person, page, `event ${position}`)
  }
  // Ten megabytes in one string: shown cut, found in, and the page scrolls on.
  await page.getByLabel('Find in the event as JSON').fill('AAAA')
  await page.getByText(/^1 of /).waitFor()
  await page.getByRole('button', { name: /show more of 10,/ }).first().click()
  await inert(person, page, 'a string of 10 MB')
  await person.open(`/search?${whole}&cluster=hostile&open=hostile/0`)
  await page.locator('[data-drawer]').getByTestId('facts').waitFor()
  await inert(person, page, 'drawer')
  await person.accessible('a hostile event')
})

screen(held, 'objects, actors, sessions, questions, overview', async (person, page) => {
  const at = `${whole}&cluster=hostile`
  const part = encodeURIComponent
  for (const path of [
    '/', '/objects', '/objects/hostile/configmaps/prod/trap', '/objects/hostile/configmaps/prod/trap?view=blame', '/objects/hostile/configmaps/prod/trap?view=whole', '/objects/hostile/configmaps/prod/large',
    `/objects/hostile/configmaps/prod/${part(`web${bidi}`)}`, `/objects/hostile/configmaps/prod/${part(html)}`, '/actors', `/actors/${part(html)}`, `/actors/${part(`admin${bidi}`)}`, `/actors/${part(ansi.replace('\0', ''))}`, '/actors/__proto__', '/actors/constructor',
    '/sessions', '/sessions?view=lanes', '/questions/deletions', '/questions/deletions-most', '/questions/exec', `/questions/${part(html)}`, '/ledger',
  ]) {
    await person.open(path + (path.includes('?') ? '&' : '?') + at)
    await inert(person, page, path)
  }
  await person.open(`/objects/hostile/configmaps/prod/trap?${at}`)
  await page.getByTestId('diff').getByText('constructor').first().waitFor()
})

screen(held, 'searches and addresses that mean harm', async (person, page) => {
  person.expected.push(/status of 40[04]/)
  for (const q of [html, `"${bidi}"`, '"\u001b[31m"', 'user:__proto__', '__proto__:x', `${'('.repeat(2000)}`, 'x'.repeat(20_000)]) {
    await person.open(`/search?${whole}&q=${encodeURIComponent(q)}`)
    await person.settled()
    assert.equal(await page.locator('img, iframe').count(), 0)
  }
  await person.open(`/search?since=${encodeURIComponent(html)}&last=__proto__&cols=__proto__,constructor&open=${encodeURIComponent(`${html}/1`)}`)
  await person.open('/event/..%2f..%2fapi/1')
})
