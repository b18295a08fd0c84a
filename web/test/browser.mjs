// A real Chromium for the tests. Every page is watched while a test runs: an error on it, a message in its console, a breach
// of its content security policy, a request to another host or a dialog fails the test that saw it, whatever it looked for.

import { AxeBuilder } from '@axe-core/playwright'
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { inflateRawSync } from 'node:zlib'
import { chromium } from 'playwright-core'
import { Annals, now } from './annals.mjs'

/** A desk, a telephone, and a desk at 200 % zoom. */
export const sizes = { desk: { width: 1440, height: 900 }, phone: { width: 390, height: 844 }, zoomed: { width: 720, height: 450 } }

/** All that the recording holds. */
export const whole = 'since=2026-11-21T00:00:00.000Z&until=2026-11-21T01:00:00.000Z'

let browser
let folder

function program() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    try {
      return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim()
    } catch {
      // The next name.
    }
  }
  throw new Error('no Chromium was found: install it, or name it in the environment variable CHROMIUM')
}

export async function launch() {
  return chromium.launch({ executablePath: program(), args: ['--no-sandbox', '--disable-dev-shm-usage', '--font-render-hinting=none'] })
}

/** The browser in which people sit, where no test opens one. */
export function use(opened) {
  browser = opened
}

/** Serves a ledger for the tests of one file, and closes it and the browser after them. */
export function served(events, watching) {
  const held = {}
  before(async () => {
    browser = await launch()
    held.annals = await Annals.start(events?.(), await watching?.())
  })
  after(async () => {
    await browser?.close()
    await held.annals?.stop()
  })
  return held
}

function shift(by) {
  const Real = Date
  globalThis.Date = class extends Real {
    constructor(...of) {
      of.length === 0 ? super(Real.now() + by) : super(...of)
    }

    static now() {
      return Real.now() + by
    }
  }
}

/** Somebody at a browser. */
export class Person {
  constructor(annals, context, page) {
    this.annals = annals
    this.context = context
    this.page = page
    this.wrong = []
    /** What the test does on purpose and may therefore show in the console: patterns. */
    this.expected = []
  }

  /**
   * options: size, colours ('light' or 'dark'), as (arguments of token create, or a token), zone; flows: its clock goes on from
   * the recording's hour, as editors want it, instead of standing still.
   */
  static async sit(annals, { size = sizes.desk, colours = 'light', as, zone = 'UTC', flows = false } = {}) {
    const context = await browser.newContext({ viewport: size, colorScheme: colours, locale: 'en-GB', timezoneId: zone, reducedMotion: 'reduce', acceptDownloads: true, baseURL: annals.url })
    if (flows) await context.addInitScript(shift, now.getTime() - Date.now())
    else await context.clock.setFixedTime(now)
    await context.addInitScript(() => {
      addEventListener('securitypolicyviolation', (e) => console.error(`content security policy: ${e.violatedDirective} ${e.blockedURI}`))
    })
    const person = new Person(annals, context, await context.newPage())
    person.#watch(context)
    if (as) await person.become(as)
    return person
  }

  #watch(context) {
    const host = new URL(this.annals.url).host
    const note = (text) => {
      if (!this.expected.some((e) => e.test(text))) this.wrong.push(text)
    }
    const page = (p) => {
      p.on('pageerror', (e) => note(`error on the page: ${e.stack ?? e}`))
      p.on('console', (m) => ['error', 'warning'].includes(m.type()) && note(`${m.type()} in the console: ${m.text()} ${m.location().url}`))
      p.on('crash', () => note('the page crashed'))
      p.on('dialog', (d) => {
        note(`a dialog: ${d.message()}`)
        d.dismiss()
      })
      p.on('popup', () => note('another window opened'))
    }
    context.pages().forEach(page)
    context.on('page', page)
    context.on('request', (r) => {
      const url = new URL(r.url())
      if (['http:', 'https:', 'ws:', 'wss:'].includes(url.protocol) && url.host !== host) note(`asked another host: ${r.url()}`)
    })
  }

  /** Signs in beside the page, as its form does. */
  async become(as) {
    const token = Array.isArray(as) ? await this.annals.token(...as) : as
    const answer = await this.context.request.post('/api/v1/session', { data: { token }, headers: { Origin: this.annals.url } })
    assert.equal(answer.ok(), true, `signing in: ${answer.status()} ${await answer.text()}`)
  }

  /** Opens an address and waits for its heading. */
  async open(path) {
    await this.page.goto(path)
    await this.page.locator('h1').first().waitFor({ state: 'attached' })
    return this.settled()
  }

  /** Nothing is on its way any more. */
  async settled() {
    await this.page.waitForFunction(() => !document.querySelector('[aria-busy=true], [class*=skeleton]:not([hidden]), [aria-label="Loading events"], [aria-label=Loading]') && !document.querySelector('main')?.textContent.includes('Searching…'), undefined, { timeout: 15_000 })
    return this
  }

  /** The answer of the API to a question, as this person gets it. */
  async ask(name, question = {}) {
    const response = await this.context.request.post(`/api/v1/${name}`, { data: question, headers: { Origin: this.annals.url } })
    const lines = (await response.text()).trim().split('\n').map((l) => JSON.parse(l))
    const items = lines.filter((l) => 'item' in l).map((l) => l.item)
    const last = lines.at(-1)
    if (last.error) throw new Error(`${name}: ${last.error.message}`)
    return { items, end: last.end }
  }

  rows() {
    return this.page.getByRole('list', { name: 'Events' }).locator('[data-row]')
  }

  /** The search field, with the editor in it. */
  async editor() {
    const line = this.page.locator('[data-query]')
    if ((await line.locator('.cm-content').count()) === 0) await line.locator('input').click()
    const editor = line.locator('.cm-content')
    await editor.waitFor()
    return editor
  }

  /** Walks down the list of completions to one. For its first 75 ms the list takes no key, lest it take one not meant for it. */
  async choose(name) {
    const selected = this.page.getByRole('listbox').getByRole('option', { selected: true })
    const now = async () => ((await selected.count()) > 0 ? await selected.first().innerText() : '')
    await this.page.getByRole('listbox').getByRole('option', { name }).first().waitFor()
    await this.page.waitForTimeout(150)
    for (let i = 0; i < 60; i++) {
      const before = await now()
      if (name.test(before)) return
      await this.page.keyboard.press('ArrowDown')
      for (let wait = 0; wait < 10 && (await now()) === before; wait++) await this.page.evaluate(() => new Promise(requestAnimationFrame))
    }
    assert.fail(`the list of completions has no ${name} that can be chosen`)
  }

  async summary() {
    return (await this.page.getByTestId('summary').innerText()).replaceAll(/\s+/g, ' ')
  }

  /**
   * axe, with the mouse away, since tooltips live outside the landmarks, and from the top of the page: what is scrolled half
   * below the header is no small target. colours: only what hangs on colours, where the rest was looked at in others.
   */
  async accessible(what, { scrolled = false, colours = false } = {}) {
    await this.page.mouse.move(0, 0)
    if (!scrolled) await this.page.evaluate(() => scrollTo(0, 0))
    let found
    for (let look = 0; look < 2; look++) { // what axe finds in a frame that is still changing is not there in the next
      await this.settled()
      const axe = new AxeBuilder({ page: this.page }).setLegacyMode()
      found = await (colours ? axe.withRules(['color-contrast', 'link-in-text-block']) : axe.withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])).analyze()
      if (found.violations.length === 0) return
    }
    const list = found.violations.map((v) => `${v.id} (${v.impact}): ${v.help}\n${v.nodes.slice(0, 4).map((n) => `    ${n.target.join(' ')}\n      ${n.html.slice(0, 160)}\n      ${(n.any[0] ?? n.all[0] ?? n.none[0])?.message ?? ''}`).join('\n')}`)
    assert.fail(`axe on ${what}:\n  ${list.join('\n  ')}`)
  }

  /** The page does not scroll sideways. */
  async fits(what) {
    const [wide, room] = await this.page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth])
    if (wide <= room) return
    const culprits = await this.page.evaluate(() => [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('[class*=scroll]')).slice(0, 5).map((e) => e.outerHTML.slice(0, 120)))
    assert.fail(`${what} is ${wide} px wide in ${room} px: ${culprits.join(' | ')}`)
  }

  async picture(name) {
    folder ??= mkdtempSync(join(tmpdir(), 'annals-web-failed-'))
    const file = join(folder, `${name.replaceAll(/[^A-Za-z0-9]+/g, '-').slice(0, 80)}.png`)
    await this.page.screenshot({ path: file }).catch(() => {})
    console.error(`the screen is in ${file}: ${this.page.url()}`)
  }
}

/**
 * A test of one screen: who sits there and what they do. As an auditor with bodies unless `as` says otherwise; as: null is nobody.
 */
export function screen(held, name, options, walk) {
  if (typeof options === 'function') [options, walk] = [{}, options]
  test(name, { timeout: options.timeout ?? 90_000, ...(options.skip ? { skip: options.skip } : {}) }, async () => {
    const as = options.as === undefined ? (held.auditor ??= await held.annals.token('--role', 'auditor', '--bodies', '--name', 'anna')) : options.as
    const person = await Person.sit(held.annals, { ...options, as })
    person.page.setDefaultTimeout(10_000)
    try {
      await walk(person, person.page)
      assert.deepEqual(person.wrong, [], `what went wrong beside the test: ${name}`)
    } catch (error) {
      await person.picture(name)
      if (person.wrong.length > 0) console.error(`seen beside it:\n  ${person.wrong.join('\n  ')}`)
      throw error
    } finally {
      await person.context.close()
    }
  })
}

/** Waits until what is asked for again and again is what is wanted. */
export async function becomes(ask, wanted, what) {
  const end = Date.now() + 10_000
  for (;;) {
    const got = await ask()
    if (isDeepStrictEqual(got, wanted)) return
    if (Date.now() > end) assert.deepEqual(got, wanted, what)
    await new Promise((done) => setTimeout(done, 50))
  }
}

/** The files of a zip that this machine's own unzip need not know: names to bytes. */
export async function unzip(path) {
  const zip = await readFile(path)
  const end = zip.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]))
  const files = new Map()
  let at = zip.readUInt32LE(end + 16)
  for (let n = zip.readUInt16LE(end + 10); n > 0; n--) {
    const [method, size, name, extra, comment, local] = [zip.readUInt16LE(at + 10), zip.readUInt32LE(at + 20), zip.readUInt16LE(at + 28), zip.readUInt16LE(at + 30), zip.readUInt16LE(at + 32), zip.readUInt32LE(at + 42)]
    const begin = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
    const bytes = zip.subarray(begin, begin + size)
    files.set(zip.toString('utf8', at + 46, at + 46 + name), method === 0 ? bytes : inflateRawSync(bytes))
    at += 46 + name + extra + comment
  }
  return files
}
