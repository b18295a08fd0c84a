// What rules found: in groups, one whole, silenced, told, hunted for; and what readers see of it.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after } from 'node:test'
import { event } from './annals.mjs'
import { becomes, screen, served, whole } from './browser.mjs'

const html = '<img src=x onerror=alert(1)><script>alert(2)</script>'
const bidi = 'evil\u202Etxt.exe\u2066\u200B\uFEFF'

/** Somebody who reads this gets an alert, and what it said is kept. */
const told = []
const receiver = createServer((request, response) => {
  let body = ''
  request.on('data', (some) => (body += some))
  request.on('end', () => {
    told.push(body)
    response.end('ok')
  })
})
after(() => receiver.close())

const alone = { resource: 'configmaps', namespace: 'late', name: 'once', apiVersion: 'v1' }
const rules = {
  // A right to one request alone: the second, which comes late, takes the finding back.
  'once.yml': `title: Read once
id: 5eed0000-0000-4000-8000-0000000000a1
name: read_in_late
logsource: {product: kubernetes, service: audit}
detection:
  selection: {objectRef.namespace: late, verb: get}
  condition: selection
level: low
---
title: Somebody read it once only
id: 5eed0000-0000-4000-8000-0000000000a2
correlation:
  type: event_count
  rules: [read_in_late]
  group-by: [user.username]
  timespan: 1m
  condition: {eq: 1}
level: medium
`,
  'harm.yml': `id: saved-00000000beef
title: ${JSON.stringify(`Harm ${html} ${bidi}`)}
search: cluster:hostile verb:create
severity: critical
about: ${JSON.stringify(html)}
`,
}
const hostile = [
  event(1, { verb: 'create', user: { username: html }, objectRef: { ...alone, namespace: html, name: bidi }, userAgent: html, requestObject: { [html]: html, spec: { containers: [{ name: bidi, image: html, securityContext: { privileged: true } }] } } }),
  event(2, { verb: 'create', user: { username: `admin${bidi}` }, objectRef: { ...alone, name: '__proto__' } }),
]
const held = served(
  () => ({ hostile, late: [event(100, { objectRef: alone }), event(200_000, { objectRef: { ...alone, namespace: 'other' } })] }),
  async () => {
    await new Promise((done) => receiver.listen(0, '127.0.0.1', done))
    const url = `http://127.0.0.1:${receiver.address().port}/annals`
    return { rules, watch: `alerts:\n  destinations:\n  - {name: ops, kind: webhook, url: "${url}"}\n  routes:\n  - {severity: critical, to: [ops]}\n` }
  },
)

const groups = (page) => page.getByTestId('group')

screen(held, 'findings in groups, the worst first: counted, narrowed, unfolded, and all of it in the address', async (person, page) => {
  await person.open(`/findings?${whole}&cluster=demo`)
  const range = { since: '2026-11-21T00:00:00.000Z', until: '2026-11-21T01:00:00.000Z', clusters: ['demo'] }
  const { items, end } = await person.ask('findings/groups', { ...range, by: ['rule'], limit: 100 })
  assert.ok(end.findings > 100, `${end.findings} findings in the recording`)
  assert.equal((await page.getByTestId('findings-count').innerText()).replaceAll(',', ''), `${end.findings} findings in ${end.groups} groups`)
  assert.deepEqual(await groups(page).locator('h2').allInnerTexts(), items.map((g) => g.title))
  await page.getByTestId('findings-cover').getByText('Complete', { exact: true }).waitFor()

  await page.getByRole('combobox', { name: /^Severity/ }).selectOption('high')
  await page.waitForURL((u) => u.searchParams.get('severity') === 'high')
  await person.settled()
  const high = items.filter((g) => ['critical', 'high'].includes(g.severity))
  await becomes(() => groups(page).count(), high.length)
  // By one more condition, given and taken back.
  await page.getByLabel('Only of').selectOption('user')
  await page.getByLabel('User', { exact: true }).fill('jane@example.com')
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  const { end: jane } = await person.ask('findings/groups', { ...range, severity: 'high', users: ['jane@example.com'], by: ['rule'] })
  await becomes(() => groups(page).count(), jane.groups)
  await page.getByRole('button', { name: 'Remove user jane@example.com' }).click()
  await becomes(() => groups(page).count(), high.length)
  await page.getByLabel('Search', { exact: true }).last().fill('verb:create')
  await page.getByRole('form', { name: 'Search in findings' }).getByRole('button').click()
  const { end: made } = await person.ask('findings/groups', { ...range, severity: 'high', query: 'verb:create', by: ['rule'] })
  await becomes(() => groups(page).count(), made.groups)
  await page.getByRole('button', { name: 'Remove all' }).click()
  await becomes(() => groups(page).count(), items.length)

  await page.getByLabel('Together by').selectOption('who')
  await page.waitForURL(/by=who/)
  const first = groups(page).first()
  await first.getByRole('heading').getByRole('button').click()
  await first.getByTestId('findings').waitFor()
  // A link has absolute times, though the screen may show the last day.
  await person.context.grantPermissions(['clipboard-read', 'clipboard-write'])
  await page.getByRole('button', { name: 'Copy link' }).click()
  const copied = new URL(await page.evaluate(() => navigator.clipboard.readText()))
  assert.deepEqual(['since', 'until', 'by'].map((n) => copied.searchParams.get(n)), [range.since, range.until, 'who'])
  const address = page.url()
  const listed = await first.getByTestId('findings').getByRole('link').allInnerTexts()
  assert.equal(String(listed.length), await first.locator('b').first().innerText())
  await page.goto('/findings/')
  await page.goto(address)
  await becomes(() => groups(page).first().getByTestId('findings').getByRole('link').allInnerTexts(), listed)
  person.expected.push(/status of 400/)
  await page.goto(`/findings?${whole}&q=verb:(`)
  await page.getByRole('alert').waitFor()
})

screen(held, 'a finding tells why, with the matched fields lit, by which events, and each leads to the other', async (person, page) => {
  const { items } = await person.ask('findings', { rules: ['privileged-container'], clusters: ['demo'], limit: 1 })
  const [found] = items
  await person.open(`/findings/${found.id}`)
  await page.getByRole('heading', { level: 1, name: found.title }).waitFor()
  assert.equal(await page.getByTestId('summary').innerText(), found.summary)
  const why = page.getByTestId('why')
  const wanted = found.matched.filter((m) => !/^not (?!not )/.test(m.test))
  await becomes(() => why.locator('tbody tr').count(), wanted.length)
  for (const m of wanted) await why.getByRole('rowheader', { name: m.test.replace(/^(not not )+/, '') }).waitFor()
  // In the tree stands which of its lines matched, and in words.
  const lit = why.getByRole('treeitem').and(page.locator('[data-lit]'))
  await why.getByRole('row', { name: /pod.privileged/ }).getByRole('button', { name: /privileged$/ }).click()
  await lit.filter({ hasText: 'privileged: true' }).getByText(/^matched \d/).waitFor()
  const lines = await lit.allInnerTexts()
  assert.ok(lines.every((l) => /matched \d/.test(l)), lines.join('\n'))
  await page.getByTestId('rule').getByText('privileged-container.yml').waitFor()
  await page.getByRole('button', { name: 'Show the text' }).click()
  await page.getByLabel('The rule as it is written').getByText('name: privileged-container').waitFor()

  // To its event and back.
  await page.getByTestId('events').getByRole('link').first().click()
  await page.waitForURL(/\/event\/demo\//)
  await page.getByTestId('event-findings').getByRole('link', { name: found.title }).click()
  await page.waitForURL((u) => u.pathname === `/findings/${found.id}`)
  // To its own record, which is proven as any other.
  await page.getByTestId('proof').getByText('Signed.').waitFor()
  const coming = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Proof' }).click()
  assert.match((await coming).suggestedFilename(), /^proof-annals-\d+\.json$/)
  await page.getByRole('link', { name: /^position / }).click()
  await page.waitForURL(/\/event\/annals\//)
  await page.getByRole('link', { name: 'Show the finding' }).click()
  await page.waitForURL((u) => u.pathname === `/findings/${found.id}`)
  await page.getByRole('link', { name: 'Search these' }).click()
  await page.waitForURL(/\/search/)
  await person.settled()
  const { end } = await person.ask('findings/finding', { id: found.id })
  await page.getByTestId('summary').getByText(String(end.events.length)).first().waitFor()
  person.expected.push(/status of 404/)
  await person.open('/findings/0123456789abcdef0123456789abcdef')
  await page.getByRole('alert').waitFor()
})

screen(held, 'what several requests have in common is lit, too, and what a late event took back says so', async (person, page) => {
  const { items } = await person.ask('findings', { rules: ['5eed0000-0000-4000-8000-0000000000a2'], clusters: ['late'] })
  assert.equal(items.length, 1)
  const address = `/findings/${items[0].id}`
  await person.open(address)
  const why = page.getByTestId('why')
  await why.getByRole('rowheader', { name: 'exactly 1 requests within 1m' }).waitFor()
  await why.getByRole('treeitem').and(page.locator('[data-lit]')).filter({ hasText: 'trudy' }).waitFor()
  await held.annals.deliver('late', [event(50, { objectRef: alone })])
  await becomes(async () => !!(await person.ask('findings/finding', { id: items[0].id })).end.finding.withdrawn, true)
  await person.open(address)
  await page.getByTestId('withdrawn').getByText('Withdrawn').waitFor()
  assert.equal(await page.getByRole('button', { name: 'Silence…' }).count(), 0)
  await person.accessible('a finding that was withdrawn')
})

screen(held, 'what is found meanwhile is counted, and shown when somebody asks', async (person, page) => {
  await page.clock.setFixedTime(new Date())
  await person.open('/findings?last=all&cluster=late&cluster=demo&severity=medium')
  const before = await groups(page).count()
  await held.annals.deliver('late', [event(300, { verb: 'create', user: { username: 'mallory' }, objectRef: { resource: 'clusterrolebindings', apiGroup: 'rbac.authorization.k8s.io', apiVersion: 'v1', name: 'all' }, requestURI: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', requestObject: { kind: 'ClusterRoleBinding', roleRef: { kind: 'ClusterRole', name: 'cluster-admin' }, subjects: [{ kind: 'User', name: 'eve' }] }, responseStatus: { metadata: {}, code: 201 } })])
  const fresh = page.getByTestId('new')
  await fresh.waitFor()
  assert.match(await fresh.innerText(), /^\d+ new$/)
  assert.equal(await groups(page).count(), before)
  await fresh.click()
  await fresh.waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'mallory' }).first().waitFor()
})

screen(held, 'a silence is made from a finding, listed, and ended', async (person, page) => {
  await page.clock.setFixedTime(new Date())
  const { items } = await person.ask('findings', { rules: ['privileged-container'], clusters: ['demo'], limit: 1 })
  await person.open(`/findings/${items[0].id}`)
  await page.getByRole('button', { name: 'Silence…' }).click()
  const form = page.getByTestId('silence-form')
  assert.equal(await form.getByLabel('rule').inputValue(), 'privileged-container')
  assert.equal(await form.getByLabel('user').inputValue(), items[0].user)
  assert.equal(await form.getByLabel('cluster').inputValue(), 'demo')
  await form.getByText('Owner: anna').waitFor()
  await person.accessible('making a silence')
  await form.getByRole('button', { name: 'Silence' }).click()
  assert.equal(await form.isVisible(), true) // without a reason and an end there is none
  await form.getByLabel('Why').fill(`change 4711 ${html}`)
  await form.getByLabel('Until').selectOption('in 4 hours')
  await form.getByRole('button', { name: 'Silence' }).click()
  await page.getByTestId('silenced').waitFor()
  await page.getByRole('button', { name: 'Done' }).click()
  await page.getByTestId('fitting').getByText('change 4711').waitFor()
  const { items: made } = await person.ask('silences')
  assert.deepEqual([made.length, made[0].owner, made[0].match.rule], [1, 'anna', items[0].rule])

  await person.open('/silences')
  const row = page.getByRole('row', { name: /change 4711/ })
  await row.getByText('active').waitFor()
  await row.getByRole('button', { name: /^End the silence/ }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'End it' }).click()
  await page.getByText('No silence holds').waitFor()
  await page.getByLabel('Those that are over, too').check()
  await row.getByText('expired').waitFor()
  await row.getByText('ended by anna').waitFor()
  await person.accessible('silences')
})

screen(held, 'rules are found by words and kinds; one is run over what happened', async (person, page) => {
  await person.open(`/rules?${whole}&cluster=demo`)
  const { items } = await person.ask('rules', { since: '2026-11-21T00:00:00.000Z', until: '2026-11-21T01:00:00.000Z', clusters: ['demo'] })
  const shows = (n) => becomes(() => page.getByTestId('rules-count').innerText(), `${n} of ${items.length} rules`)
  await shows(items.length)
  await page.getByLabel('State').selectOption('fired')
  await shows(items.filter((r) => r.findings > 0).length)
  await page.getByLabel('Severity').selectOption('medium')
  await shows(items.filter((r) => r.findings > 0 && r.severity === 'medium').length)
  await page.getByLabel('Words').fill('nosuchrule')
  await page.getByText('No rule is like that').waitFor()
  await page.getByRole('link', { name: 'All rules' }).click()
  await page.getByLabel('Words').fill('privileged-container')
  await page.getByRole('link', { name: 'A privileged container', exact: true }).click()
  await page.getByRole('heading', { level: 1, name: 'A privileged container' }).waitFor()
  await person.settled()
  const { findings } = items.find((r) => r.ruleName === 'privileged-container')
  await page.getByTestId('hunt').click()
  await page.getByTestId('hunted').getByText(`${findings} findings in`).waitFor()
  await becomes(() => page.getByTestId('hunted').getByTestId('findings').getByRole('listitem').count(), findings)
  assert.equal(await page.getByRole('button', { name: 'Remove…' }).count(), 0)
})

screen(held, 'a search is saved as a rule, changed and removed', { as: ['--role', 'admin', '--bodies', '--name', 'ada'] }, async (person, page) => {
  await person.open(`/search?${whole}&q=verb:deletecollection`)
  await page.getByRole('button', { name: 'Save as rule' }).click()
  const form = page.getByTestId('rule-form')
  assert.equal(await form.getByLabel('Search').inputValue(), 'verb:deletecollection')
  await form.getByLabel('Title').fill(`Everything deleted ${html}`)
  await form.getByLabel('Severity').selectOption('critical')
  await form.getByLabel(/^Techniques/).fill('T1485')
  await person.accessible('saving a rule')
  await form.getByRole('button', { name: 'Save it' }).click()
  await page.getByRole('dialog').getByRole('link', { name: /Everything deleted/ }).click()
  await page.getByRole('heading', { level: 1, name: /Everything deleted/ }).waitFor()
  await page.getByTestId('hunt').click()
  await page.getByTestId('hunted').getByText(/[1-9]\d* findings? in/).waitFor()
  await page.getByRole('button', { name: 'Change…' }).click()
  await form.getByLabel('Title').fill('Much deleted')
  await form.getByRole('button', { name: 'Change it' }).click()
  await page.getByRole('heading', { level: 1, name: 'Much deleted' }).waitFor()
  await page.getByRole('button', { name: 'Remove…' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
  await page.waitForURL((u) => u.pathname === '/rules')
  assert.equal((await person.ask('rules')).items.some((r) => r.title === 'Much deleted'), false)
})

screen(held, 'the map of ATT&CK is a table, and its cells lead to rules', async (person, page) => {
  await person.open(`/attack?${whole}`)
  const table = page.getByTestId('attack')
  await table.getByRole('columnheader', { name: /Credential Access/ }).waitFor()
  const { items, end } = await person.ask('rules/attack', {})
  await page.getByText(`${end.covered} of ${items.length} techniques have a rule`).waitFor()
  const cell = table.getByRole('link', { name: /^T1611/ }).first()
  const n = items.find((t) => t.id === 'T1611').rules.length
  await cell.getByText(`${n} rules`).waitFor()
  await becomes(() => page.getByTestId('unseen').getByRole('listitem').count(), items.filter((t) => t.unseen).length)
  await cell.click()
  await page.waitForURL((u) => u.pathname === '/rules' && u.searchParams.get('technique') === 'T1611')
  await becomes(() => page.getByTestId('rules-count').innerText(), `${n} of ${(await person.ask('rules')).items.length} rules`)
})

screen(held, 'who was told stands at the finding and in the alerts; a test is sent by an admin alone', { as: ['--role', 'admin', '--bodies', '--name', 'ada'] }, async (person, page) => {
  // Alerts begin with what is found after they were switched on.
  await held.annals.deliver('hostile', [{ ...hostile[0], auditID: '5eed0000-0000-4000-8000-00000000a1e7' }])
  await becomes(async () => (await person.ask('alerts', { results: ['delivered'] })).items.length > 0, true)
  await person.open('/alerts')
  await page.getByRole('row', { name: /^ops webhook/ }).getByText('well').waitFor()
  await page.getByRole('button', { name: 'Send a test to ops' }).click()
  await page.getByText(/^arrived after/).waitFor()
  assert.ok(told.length >= 2, `${told.length} messages`)
  const table = page.getByRole('region', { name: 'Alerts, the newest first' })
  await table.getByText('delivered').first().waitFor()
  await person.accessible('alerts')
  await table.getByRole('link').first().click()
  await page.waitForURL(/\/findings\/[0-9a-f]{32}/)
  await page.getByRole('region', { name: 'Who was told' }).getByText('delivered').waitFor()
})

screen(held, 'the overview and an actor’s page show what was found, and what is usual', async (person, page) => {
  await person.open(`/?${whole}&cluster=demo`)
  const panel = page.getByTestId('findings-panel')
  await panel.getByRole('link', { name: /^high/ }).click()
  await page.waitForURL((u) => u.pathname === '/findings' && u.searchParams.get('severity') === 'high')
  await person.open(`/actors/alice%40example.com?${whole}`)
  await page.getByTestId('baseline').getByRole('list', { name: /by hour of the day/ }).waitFor()
  await page.getByTestId('baseline').getByText('5 active days').waitFor()
  await page.getByTestId('findings-panel').getByRole('list', { name: 'The worst' }).getByRole('link').first().click()
  await page.waitForURL((u) => u.pathname === '/findings' ? u.searchParams.get('user') === 'alice@example.com' : u.pathname.startsWith('/findings/'))
  await person.open(`/actors/nobody?${whole}`)
})

screen(held, 'a reader sees their own part, and no button that would fail', { as: ['--role', 'reader', '--scope', 'cluster:demo ns:prod', '--bodies', '--name', 'rita'] }, async (person, page) => {
  await person.open(`/findings?${whole}`)
  const { end } = await person.ask('findings/groups', { since: '2026-11-21T00:00:00.000Z', until: '2026-11-21T01:00:00.000Z' })
  assert.ok(end.findings > 0 && end.findings < 100, `${end.findings} findings`)
  await page.getByTestId('findings-cover').getByText('cluster:demo ns:prod').waitFor()
  for (const name of ['Silences', 'Alerts']) assert.equal(await page.getByRole('link', { name }).count(), 0)
  const { items } = await person.ask('findings', { limit: 1 })
  await person.open(`/findings/${items[0].id}`)
  assert.equal(await page.getByRole('button', { name: /^Silence/ }).count(), 0)
  assert.equal(await page.getByRole('button', { name: 'Proof' }).count(), 0)
  for (const path of ['/silences', '/alerts']) {
    await person.open(path)
    await page.getByText(/are for auditors; you are reader/).waitFor()
  }
  for (const path of ['/rules', '/attack', '/actors/jane%40example.com', '/']) {
    await person.open(`${path}?${whole}`)
    assert.equal(await page.getByRole('alert').filter({ hasText: /\S/ }).count(), 0, path)
  }
})

screen(held, 'findings about events that mean harm are text', async (person, page) => {
  const check = async (where) => {
    await person.settled()
    const found = await page.evaluate(() => {
      const bad = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200d-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u
      const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
      const texts = []
      while (walk.nextNode()) if (bad.test(walk.currentNode.data) && !walk.currentNode.parentElement.closest('script,style')) texts.push(JSON.stringify(walk.currentNode.data.slice(0, 100)))
      for (const e of document.querySelectorAll('[title],[aria-label]')) for (const n of ['title', 'aria-label']) if (bad.test(e.getAttribute(n) ?? '')) texts.push(`${n} ${JSON.stringify(e.getAttribute(n).slice(0, 100))}`)
      return { texts, elements: [...document.querySelectorAll('img, iframe, object, embed, a[href^="javascript:" i], [onerror]')].map((e) => e.outerHTML.slice(0, 120)) }
    })
    assert.deepEqual(found, { texts: [], elements: [] }, where)
  }
  await person.open(`/findings?${whole}&cluster=hostile`)
  await groups(page).first().waitFor()
  await check('groups')
  await page.getByLabel('Together by').selectOption('who')
  await groups(page).first().getByRole('heading').getByRole('button').click()
  await page.getByTestId('findings').waitFor()
  await check('a group')
  await person.fits('hostile groups')
  await groups(page).first().getByRole('button', { name: /onerror/ }).last().click()
  await check('a condition')
  const { items } = await person.ask('findings', { clusters: ['hostile'], limit: 0 })
  assert.ok(items.length >= 2)
  for (const f of items) {
    await person.open(`/findings/${f.id}`)
    await page.getByTestId('why').waitFor()
    await check(f.summary)
    await person.fits('a hostile finding')
    await page.getByRole('button', { name: 'Silence…' }).click()
    await page.getByTestId('silence-form').waitFor()
    await check('a silence of it')
    await page.keyboard.press('Escape')
  }
  for (const path of ['/rules/saved-00000000beef', '/rules/__proto__', `/rules/${encodeURIComponent(html)}`, `/findings/${encodeURIComponent(html)}`, '/event/hostile/0', '/', '/rules?q=harm']) {
    person.expected.push(/status of 40[04]/)
    await person.open(path + (path.includes('?') ? '&' : '?') + `${whole}&cluster=hostile`)
    await check(path)
  }
})
