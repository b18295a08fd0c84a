import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { useComputedColorScheme } from '@mantine/core'
import { useEffect, useRef } from 'react'
import type { Hits } from '../api/types'
import { useZone } from '../state/prefs'
import { short } from '../state/time'
import { buckets, shownSeries } from './histogram'

interface Props {
  hits: Hits
  height: number
  /** Milliseconds that it shows at least. */
  span: [number, number] | undefined
  /** Which bar is picked; -1: none. */
  at: number
  onAt: (i: number) => void
  /** Buckets from and to, both included. */
  onRange: (from: number, to: number) => void
}

/** Stacked bars. It draws; what can be done with it by keyboard is around it. */
export default function Chart({ hits, height, span, at, onAt, onRange }: Props) {
  const host = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const act = useRef({ onAt, onRange })
  act.current = { onAt, onRange }
  const scheme = useComputedColorScheme('light')
  const [zone] = useZone()

  const [first, last] = span ?? []

  useEffect(() => {
    const el = host.current
    if (!el) return
    const style = getComputedStyle(document.documentElement)
    const colour = (token: string) => style.getPropertyValue(token).trim()
    const shown = shownSeries(hits)
    const n = buckets(hits)
    const from = Date.parse(hits.from) / 1000
    const begin = first ? first / 1000 : from
    const finish = last ? last / 1000 : from
    const xs = Array.from({ length: n }, (_, i) => from + i * hits.step)
    // Stacked: each series is drawn with all below it, the tallest first.
    const sums = new Array<number>(n).fill(0)
    const stacks = shown.map((s) => {
      for (let i = 0; i < n; i++) sums[i]! += s.series.counts[i] ?? 0
      return sums.map((v) => v || null)
    })
    const bars = uPlot.paths.bars!({ size: [0.84, 64, 1], align: 1, gap: 1 })
    const soft = colour('--soft')
    const line = colour('--line')
    const font = `11px ${getComputedStyle(document.body).fontFamily}`
    const indexOf = (px: number, u: uPlot) => Math.max(0, Math.min(n - 1, Math.floor((u.posToVal(px, 'x') - from) / hits.step)))
    const u = new uPlot(
      {
        width: el.clientWidth || 600,
        height,
        tzDate: (ts) => (zone === 'utc' ? uPlot.tzDate(new Date(ts * 1000), 'Etc/UTC') : new Date(ts * 1000)),
        padding: [8, 18, 0, 0],
        legend: { show: false },
        scales: { x: { time: true, range: () => [Math.min(from, begin), Math.max(from + n * hits.step, finish)] }, y: { range: (_u, _min, max) => [0, Math.max(1, max * 1.05)] } },
        axes: [
          {
            stroke: soft,
            font,
            size: 24,
            gap: 4,
            grid: { show: false },
            ticks: { stroke: line, size: 4 },
            values: [
              [86400, '{DD} {MMM}', null, null, null, null, null, null, 1],
              [3600, '{HH}:{mm}', '\n{DD} {MMM}', null, '\n{DD} {MMM}', null, null, null, 1],
              [60, '{HH}:{mm}', '\n{DD} {MMM}', null, '\n{DD} {MMM}', null, null, null, 1],
              [1, '{HH}:{mm}:{ss}', '\n{DD} {MMM}', null, '\n{DD} {MMM}', null, null, null, 1],
              [0.001, ':{ss}.{fff}', '\n{DD} {MMM} {HH}:{mm}', null, '\n{DD} {MMM} {HH}:{mm}', null, null, null, 1],
            ],
          },
          { stroke: soft, font, size: 44, gap: 4, grid: { stroke: line, width: 1 }, ticks: { show: false }, space: 34, incrs: [1, 2, 5].flatMap((n) => [n, n * 10, n * 100, n * 1e3, n * 1e4, n * 1e5, n * 1e6, n * 1e7]).sort((a, b) => a - b), values: (_u, all) => all.map((v) => short(v)) },
        ],
        cursor: { drag: { x: true, y: false, setScale: false }, points: { show: false }, y: false, x: false },
        select: { show: true, left: 0, top: 0, width: 0, height: 0 },
        series: [{}, ...[...shown].reverse().map((s) => ({ fill: colour(s.colour), stroke: colour(s.colour), width: 0, paths: bars, points: { show: false } }))],
        hooks: {
          setCursor: [(u) => act.current.onAt(u.cursor.left == null || u.cursor.left < 0 ? -1 : indexOf(u.cursor.left, u))],
          setSelect: [
            (u) => {
              if (u.select.width < 4) return
              act.current.onRange(indexOf(u.select.left, u), indexOf(u.select.left + u.select.width - 1, u))
              u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
            },
          ],
        },
      },
      [xs, ...stacks.reverse()],
      el,
    )
    let downAt = 0
    const down = (e: PointerEvent) => {
      downAt = e.clientX
    }
    const up = (e: MouseEvent) => {
      if (Math.abs(e.clientX - downAt) > 4 || u.cursor.left == null || u.cursor.left < 0) return
      const i = indexOf(u.cursor.left, u)
      act.current.onRange(i, i)
    }
    u.over.addEventListener('pointerdown', down)
    u.over.addEventListener('click', up)
    const resize = new ResizeObserver(() => u.setSize({ width: el.clientWidth, height }))
    resize.observe(el)
    plot.current = u
    return () => {
      resize.disconnect()
      u.destroy()
    }
  }, [hits, height, scheme, zone, first, last])

  useEffect(() => {
    const u = plot.current
    if (!u) return
    let band = u.over.querySelector<HTMLElement>('[data-band]')
    if (!band) {
      band = document.createElement('div')
      band.dataset.band = ''
      u.over.append(band)
    }
    const from = Date.parse(hits.from) / 1000
    const left = u.valToPos(from + at * hits.step, 'x')
    const right = u.valToPos(from + (at + 1) * hits.step, 'x')
    band.style.cssText = at < 0 ? 'display:none' : `position:absolute;top:0;bottom:0;left:${left}px;width:${right - left}px;background:var(--ink);opacity:.1;pointer-events:none`
  }, [at, hits, height, scheme, zone, first, last])

  return <div ref={host} style={{ height }} />
}
