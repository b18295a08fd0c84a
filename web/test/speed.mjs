// How fast the search screen is in a real browser, in milliseconds, medians of RUNS: npm run speed -- URL [TOKEN]. The token may
// stand in ANNALS_TOKEN; a demo needs none. Times in the browser are from the navigation or the key to the frame that shows it;
// those of the server are its own, from the end of each answer.

import { launch } from './browser.mjs'

const [url, token = process.env.ANNALS_TOKEN] = process.argv.slice(2)
const runs = Number(process.env.RUNS ?? 9)
if (!url) {
  console.error('npm run speed -- URL [TOKEN]: the server whose search screen is measured')
  process.exit(2)
}
const queries = (process.env.QUERIES ?? '|verb:delete|resource:secrets -user:system:*|"curl"').split('|')

const browser = await launch()
const context = await browser.newContext({ baseURL: url, viewport: { width: 1440, height: 900 }, ignoreHTTPSErrors: true })
try {
  if (token) {
    const answer = await context.request.post('/api/v1/session', { data: { token }, headers: { Origin: new URL(url).origin } })
    if (!answer.ok()) throw new Error(`signing in: ${answer.status()} ${await answer.text()}`)
  }
  const page = await context.newPage()
  // The first time of each is noted in the page: when the frame was drawn that has it.
  await page.addInitScript(() => {
    globalThis.firsts = {}
    const looks = {
      rows: '[data-row]',
      empty: '[data-testid=empty]',
      histogram: '.u-over',
      facets: '[data-testid=facet-verb] li',
    }
    new MutationObserver(() => {
      for (const [name, what] of Object.entries(looks)) {
        if (!(name in firsts) && document.querySelector(what)) {
          firsts[name] = 0
          requestAnimationFrame(() => setTimeout(() => (firsts[name] = performance.now())))
        }
      }
    }).observe(document, { childList: true, subtree: true })
  })
  for (const query of queries) {
    const of = {}
    const note = (name, ms) => (of[name] ??= []).push(ms)
    for (let run = 0; run < runs; run++) {
      const servers = []
      const heard = async (response) => {
        const name = /\/api\/v1\/(events|hits|facets)\b/.exec(response.url())?.[1]
        if (!name) return
        const text = await response.text().catch(() => '')
        const end = JSON.parse(text.trim().split('\n').at(-1) || '{}').end
        const seconds = end?.seconds ?? end?.coverage?.seconds
        if (seconds !== undefined) note(`${name}, in the server`, seconds * 1000)
      }
      page.on('response', (r) => servers.push(heard(r)))
      await page.goto(`/search?last=all&q=${encodeURIComponent(query)}`)
      await page.waitForFunction(() => (firsts.rows || firsts.empty) && firsts.histogram && firsts.facets, undefined, { timeout: 60_000 })
      await page.waitForLoadState('networkidle')
      await Promise.all(servers)
      page.removeAllListeners('response')
      const firsts = await page.evaluate(() => firsts)
      note('first rows', firsts.rows ?? firsts.empty)
      note('histogram', firsts.histogram)
      note('facets', firsts.facets)
    }
    // Typing: from the key to the frame after the character stands there.
    await page.locator('[data-query] input').click()
    await page.locator('.cm-content').waitFor()
    await page.evaluate(() => {
      globalThis.keys = []
      document.querySelector('.cm-content').addEventListener('keydown', (e) => {
        const began = e.timeStamp
        requestAnimationFrame(() => setTimeout(() => keys.push(performance.now() - began)))
      }, true)
    })
    await page.keyboard.type(' user:alice resource:sec', { delay: 90 })
    for (const ms of await page.evaluate(() => keys)) note('typing, a key', ms)
    console.log(`\n${query || 'everything'}`)
    for (const [name, all] of Object.entries(of)) console.log(`  ${name.padEnd(22)} ${median(all).toFixed(1).padStart(8)} ms   (most ${Math.max(...all).toFixed(1)}, of ${all.length})`)
  }
} finally {
  await browser.close()
}

function median(all) {
  const sorted = [...all].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}
