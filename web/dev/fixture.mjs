// A small server with made-up answers, to work on the UI without the real one: node dev/fixture.mjs, beside npx vite.
// It serves dist, too, with the headers of the real server, when it is asked for pages.
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { randomBytes } from 'node:crypto'

const port = Number(process.env.PORT ?? 7090)
const dist = process.env.DIST ?? new URL('../dist', import.meta.url).pathname
let seed = 7
const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647
const pick = (list, skew = 1) => list[Math.floor(random() ** skew * list.length)]
const users = ['system:apiserver', 'system:kube-controller-manager', 'system:node:worker-1', 'system:serviceaccount:kube-system:coredns', 'jane@example.com', 'system:serviceaccount:prod:web-deployer', 'mallory', 'system:anonymous', '<img src=x onerror=alert(1)>\u202Egnp']
const namespaces = ['kube-system', 'prod', 'default', 'team-a', '']
const resources = ['pods', 'secrets', 'configmaps', 'leases', 'deployments', 'clusterrolebindings', 'events', 'endpoints']
const verbs = ['get', 'list', 'watch', 'update', 'patch', 'create', 'delete', 'deletecollection']
const words = { get: 'read', list: 'listed', watch: 'watched', update: 'updated', patch: 'patched', create: 'created', delete: 'deleted', deletecollection: 'deleted all' }
const total = Number(process.env.EVENTS ?? 20000)
const end = Date.now()
let position = 0
function make(time) {
  const user = pick(users, 2.2)
  const verb = pick(verbs, 1.6)
  const resource = pick(resources, 1.3)
  const namespace = pick(namespaces)
  const name = verb === 'list' || verb === 'watch' ? undefined : `${resource.slice(0, -1)}-${Math.floor(random() * 40)}`
  const r = random()
  const code = user === 'mallory' || user === 'system:anonymous' ? 403 : r > 0.995 ? 503 : r > 0.97 ? 404 : r > 0.955 ? 409 : verb === 'create' ? 201 : 200
  const id = randomBytes(16).toString('hex').replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5')
  const base = {
    cluster: 'demo', origin: 'webhook/demo', level: 'Metadata', verb, user, apiGroup: resource === 'deployments' ? 'apps' : undefined, resource, namespace, name, sourceIPs: [pick(['10.0.0.4', '10.0.0.7', '203.0.113.9', 'fd00::12'], 2)],
    userAgent: pick(['kube-apiserver/v1.34', 'kubectl/v1.34.1 (linux/amd64)', 'curl/8.9', 'coredns'], 1.5), auditID: id, requestURI: `/api/v1/namespaces/${namespace}/${resource}`, decision: code === 403 ? 'forbid' : 'allow',
    reason: code === 403 ? '' : 'RBAC: allowed by ClusterRoleBinding "web-deployers" of ClusterRole "edit" to Group "dev"',
  }
  const what = `${resource.slice(0, -1)}${name ? ` ${name}` : 's'}${namespace ? ` in ${namespace}` : ''}`
  const stages = random() > 0.8 ? ['RequestReceived', 'ResponseComplete'] : ['ResponseComplete']
  return stages.map((stage, i) => ({
    ...base, position: position++, stage, time: new Date(time + i * 12).toISOString(), received: new Date(time + 400).toISOString(),
    code: stage === 'ResponseComplete' ? code : undefined, latency: stage === 'ResponseComplete' ? 0.012 : undefined,
    sentence: stage === 'RequestReceived' ? `${user} asked to ${verb} ${what}` : code === 403 ? `${user} was refused: ${verb} ${what}` : `${user} ${words[verb]} ${what}`,
    marks: random() > 0.995 ? ['truncated'] : undefined,
  }))
}
const events = []
for (let i = 0; i < total; i++) events.push(...make(end - 30 * 3600e3 * (1 - i / total) + (i % 900 < 60 ? -(i % 60) * 4e4 : 0)))
events.sort((a, b) => a.time.localeCompare(b.time))
const key = { user: 'user', verb: 'verb', resource: 'resource', ns: 'namespace', name: 'name', code: 'code', ip: 'ip', agent: 'userAgent', as: 'impersonatedUser', decision: 'decision', subresource: 'subresource', stage: 'stage' }
const of = (e, f) => (f === 'ip' ? e.sourceIPs[0] : f === 'code-class' ? (e.code ? `${Math.floor(e.code / 100)}xx` : '') : String(e[key[f]] ?? ''))
function matching(q) {
  const terms = (q.query ?? '').split(/\s+/).filter(Boolean).map((t) => {
    const not = /^[-!]/.test(t)
    const [, f, v] = /^([a-z]+)[:=](.*)$/i.exec(t.replace(/^[-!]/, '')) ?? []
    if (f && !key[f]) throw Object.assign(new Error(`unknown field "${f}", did you mean resource? (to search for the text, put all of it in quotes)\n  ${q.query}\n  ${' '.repeat(q.query.indexOf(f))}^`), { kind: 'usage' })
    const value = (v ?? t).replaceAll('"', '')
    const re = new RegExp(`^${value.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`)
    return (e) => (f ? re.test(of(e, f)) : JSON.stringify(e).includes(value)) !== not
  })
  return events.filter((e) => (!q.since || e.time >= q.since) && (!q.until || e.time < q.until) && terms.every((t) => t(e)))
}
const cover = (q, returned, more = false) => ({
  clusters: [{ name: 'demo', from: 0, to: position }], since: q.since, until: q.until, considered: matching({ ...q, query: '' }).length, returned, salvaged: 0, quarantined: 0, truncated: 3, conflicts: 0,
  limitReached: more, complete: !/incomplete/.test(q.query ?? ''), why: /incomplete/.test(q.query ?? '') ? ['positions 120 to 180 of cluster demo are not there'] : undefined, seconds: 0.012,
})
const proof = { signed: true, checkpoint: position, at: new Date(end).toISOString(), verified: new Date(end - 120e3).toISOString(), verdict: 'ok', publicKey: 'demo+1234abcd+AbCd' }
const answers = {
  me: () => [[], { name: 'demo', role: 'admin', bodies: true, anonymous: true, canSQL: true, canProve: true, canVerify: true, canImport: true, canTokens: true, version: 'dev', clusters: ['demo', 'annals'] }],
  fields: () => [Object.keys(key).map((name) => ({ name, kind: 'text', about: `the ${name} of the request`, facet: true, values: name === 'verb' ? verbs : undefined })), { fields: 12 }],
  values: (q) => {
    const n = {}
    for (const e of matching({ ...q, query: '' })) n[of(e, q.field)] = (n[of(e, q.field)] ?? 0) + 1
    const values = Object.entries(n).filter(([v]) => v.includes(q.prefix ?? '')).sort((a, b) => b[1] - a[1]).slice(0, 20).map(([value, count]) => ({ value, count }))
    return [[], { values, coverage: cover(q, 0) }]
  },
  events: (q) => {
    let all = matching(q).reverse()
    if (q.after) {
      const p = Number(q.after.split(',').at(-1))
      all = all.slice(all.findIndex((e) => e.position === p) + 1)
    }
    const limit = Number(q.limit) || all.length
    return [all.slice(0, limit), cover(q, Math.min(limit, all.length), all.length > limit)]
  },
  hits: (q) => {
    const all = matching(q)
    const from = Date.parse(q.since ?? events[0].time)
    const to = q.until ? Date.parse(q.until) : end
    const want = (to - from) / 1000 / (q.buckets ?? 60)
    const step = [1, 5, 10, 30, 60, 300, 600, 900, 1200, 1800, 3600, 7200, 21600, 86400].find((s) => s >= want) ?? 86400
    const first = Math.floor(from / 1000 / step) * step
    const n = Math.ceil((to / 1000 - first) / step)
    const series = {}
    for (const e of all) {
      const v = q.by ? of(e, q.by) : ''
      series[v] ??= { value: v, total: 0, counts: new Array(n).fill(0) }
      series[v].total++
      series[v].counts[Math.floor((Date.parse(e.time) / 1000 - first) / step)]++
    }
    const list = Object.values(series).sort((a, b) => b.total - a.total)
    return [[], { from: new Date(first * 1000).toISOString(), to: new Date((first + n * step) * 1000).toISOString(), step, total: all.length, by: q.by, series: list.length ? list : [{ value: '', total: 0, counts: new Array(n).fill(0) }], coverage: cover(q, all.length), nearest: all.length ? undefined : { before: events[50].time } }]
  },
  facets: (q) => {
    const all = matching(q)
    const fields = [].concat(q.fields ?? Object.keys(key))
    return [fields.map((field) => {
      const n = {}
      for (const e of all) n[of(e, field)] = (n[of(e, field)] ?? 0) + 1
      const absent = n[''] ?? 0
      delete n['']
      const values = Object.entries(n).map(([value, count]) => ({ value, count })).sort((a, b) => (q.rare ? a.count - b.count : b.count - a.count))
      return { field, values: values.slice(0, Number(q.limit ?? 10)), distinct: values.length, absent }
    }), cover(q, 0)]
  },
  event: (q) => {
    const event = events.find((e) => e.position === Number(q.position))
    return [[], { event: { ...event, event: { kind: 'Event', ...event } }, seven: { what: event.sentence, when: event.time, who: event.user, onWhat: event.resource, observed: event.origin, from: event.sourceIPs[0], to: event.requestURI }, stages: events.filter((e) => e.auditID === event.auditID), proof, coverage: cover(q, 1) }]
  },
  neighbours: (q) => [[], { by: q.by, search: 'user:x', before: events.slice(100, 103), after: events.slice(104, 107), coverage: cover(q, 6) }],
  overview: (q) => [[], { events: 20000, failures: 400, actors: [{ value: 'jane', count: 12 }], secrets: 12, sessions: 3, denied: 80, deletions: 44, privileges: 2, failing: [{ value: 'mallory', count: 66 }], ledger: [{ cluster: 'demo', events: position, lastEvent: events.at(-1).time, proof }], coverage: cover(q, 0) }],
}

createServer(async (req, res) => {
  const url = new URL(req.url, 'http://x')
  if (!url.pathname.startsWith('/api/v1/')) return page(url, res)
  const name = url.pathname.slice(8)
  let body = ''
  for await (const c of req) body += c
  const q = body ? JSON.parse(body) : {}
  for (const k of new Set(url.searchParams.keys())) q[k] = ['clusters', 'fields'].includes(k) ? url.searchParams.getAll(k) : url.searchParams.get(k)
  if (q.rare === 'false') delete q.rare
  res.setHeader('Content-Type', 'application/x-ndjson')
  try {
    if (name === 'tail') {
      for (const e of matching(q).slice(-100)) res.write(`${JSON.stringify({ item: e })}\n`)
      const t = setInterval(() => {
        const some = make(Date.now())
        events.push(...some)
        const last = new Set(matching(q).slice(-4))
        for (const e of some) if (last.has(e)) res.write(`${JSON.stringify({ item: e })}\n`)
      }, 180)
      req.on('close', () => clearInterval(t))
      res.on('close', () => clearInterval(t))
      return
    }
    if (!answers[name]) {
      res.statusCode = 404
      res.end(`${JSON.stringify({ error: { kind: 'usage', message: `there is nothing at ${url.pathname}` } })}\n`)
      return
    }
    if (/slow/.test(q.query ?? '')) await new Promise((r) => setTimeout(r, 4000))
    const [items, last] = answers[name](q)
    res.end(items.map((item) => `${JSON.stringify({ item })}\n`).join('') + `${JSON.stringify({ end: last })}\n`)
  } catch (e) {
    res.end(`${JSON.stringify({ error: { kind: e.kind ?? 'failed', message: e.message } })}\n`)
  }
}).listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${port}`))

async function page(url, res) {
  const nonce = randomBytes(16).toString('base64')
  res.setHeader('Content-Security-Policy', `default-src 'none'; script-src 'self'; style-src 'self' 'nonce-${nonce}'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`)
  const types = { js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' }
  const ext = url.pathname.split('.').at(-1)
  try {
    if (types[ext]) {
      res.setHeader('Content-Type', types[ext])
      return res.end(await readFile(dist + url.pathname))
    }
    res.setHeader('Content-Type', 'text/html')
    res.end((await readFile(`${dist}/index.html`, 'utf8')).replaceAll('__CSP_NONCE__', nonce))
  } catch {
    res.statusCode = 404
    res.end()
  }
}
