// A real Annals for the tests: its ledger holds the demo's recording and events that mean harm to whoever shows them, and it
// serves on loopback until it is stopped.

import { execFile, spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const program = process.env.ANNALS ?? resolve(import.meta.dirname, '../../annals')
const recording = resolve(import.meta.dirname, '../../internal/cli/demodata/story.log.gz')

/** The hour that the recording tells of: the tests' browsers believe that it has just passed. */
export const now = new Date('2026-11-21T01:00:00Z')

export class Annals {
  /**
   * Makes a ledger, fills it with the recording and with events by cluster, and serves it. watch: its watch.yaml; rules: files of
   * rules, by name.
   */
  static async start(more = {}, { watch, rules = {} } = {}) {
    const folder = await mkdtemp(join(tmpdir(), 'annals-web-'))
    const annals = new Annals(folder)
    try {
      await annals.command('init')
      if (watch) await writeFile(join(annals.data, 'watch.yaml'), watch)
      await mkdir(join(annals.data, 'rules'), { recursive: true, mode: 0o700 })
      for (const [name, text] of Object.entries(rules)) await writeFile(join(annals.data, 'rules', name), text)
      // Piped in: where the repository lies would else stand in every event's origin.
      const importing = run(program, ['--data', annals.data, 'import', '--cluster', 'demo', '-'], { cwd: folder })
      createReadStream(recording).pipe(importing.child.stdin)
      await importing
      for (const [cluster, events] of Object.entries(more)) await annals.deliver(cluster, events)
      await annals.#serve()
    } catch (error) {
      await annals.stop()
      throw error
    }
    return annals
  }

  constructor(folder) {
    this.folder = folder
    this.data = join(folder, 'data')
  }

  /** Runs a command on the ledger and gives what it prints. */
  async command(...args) {
    const { stdout } = await run(program, ['--data', this.data, ...args], { cwd: this.folder, maxBuffer: 64 << 20 })
    return stdout
  }

  /** Brings events into a cluster. */
  async deliver(cluster, events) {
    const file = join(this.folder, `events-${++this.#files}.log`)
    await writeFile(file, events.map((e) => JSON.stringify(e) + '\n').join(''))
    await this.command('import', '--cluster', cluster, file)
  }

  /** Makes a token. */
  async token(...args) {
    return (await this.command('token', 'create', ...args)).trim()
  }

  /** Stops the server; the ledger stays. */
  async halt() {
    if (!this.#server || this.#server.exitCode !== null) return
    const ended = new Promise((done) => this.#server.once('exit', done))
    this.#server.kill('SIGTERM')
    await ended
  }

  async stop() {
    await this.halt()
    await rm(this.folder, { recursive: true, force: true })
  }

  #server
  #files = 0

  async #serve() {
    this.#server = spawn(program, ['--data', this.data, 'serve', '--listen', '127.0.0.1:0', '--http', '127.0.0.1:0'], {
      cwd: this.folder, stdio: ['ignore', 'ignore', 'pipe'],
    })
    let log = ''
    this.url = await new Promise((done, fail) => {
      this.#server.once('exit', (code) => fail(new Error(`annals serve ended with ${code}:\n${log}`)))
      this.#server.stderr.on('data', (text) => {
        log += text
        const at = log.match(/\bhttp="?(https?:\/\/[^\s"]+)/)
        if (at) done(at[1].replace(/\/$/, ""))
      })
    })
  }
}

/** An event as an API server writes it. */
export function event(n, change = {}) {
  const time = new Date(now.getTime() - 60_000 + n).toISOString().replace('Z', '000Z')
  return {
    kind: 'Event', apiVersion: 'audit.k8s.io/v1', level: 'RequestResponse',
    auditID: `5eed0000-0000-4000-8000-${String(n).padStart(12, '0')}`, stage: 'ResponseComplete',
    requestURI: `/api/v1/namespaces/prod/configmaps/c${n}`, verb: 'get',
    user: { username: 'trudy', groups: ['system:authenticated'] }, sourceIPs: ['192.0.2.66'], userAgent: 'curl/8',
    objectRef: { resource: 'configmaps', namespace: 'prod', name: `c${n}`, apiVersion: 'v1' },
    responseStatus: { metadata: {}, code: 200 }, requestReceivedTimestamp: time, stageTimestamp: time, ...change,
  }
}
