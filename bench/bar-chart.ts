import { type Axis, heading, page, round, rule, scale, text } from './svg.ts'

/** Bars over logarithmic axes, as SVG: panels beside each other, with a bar of each thing in each of them. */
export interface BarChart {
  readonly title: string
  readonly subtitle: string
  /** Pixels; 820 when absent. */
  readonly width?: number
  readonly panels: readonly Axis[]
  readonly bars: readonly Bar[]
}

export interface Bar {
  readonly name: string
  readonly color: string
  /** One for each panel, with the words beside the bar. */
  readonly values: readonly { readonly at: number; readonly text: string }[]
}

const WIDTH = 820
const LEFT = 190
const TOP = 78
const BAR = 18
const STEP = 27
/** Between two panels, and behind the last: the words of the longest bar stand there, pixels. */
const GAP = 80

export function barChart({ title, subtitle, width: whole = WIDTH, panels, bars }: BarChart): string {
  const out = heading(20, title, subtitle)
  const bottom = TOP + bars.length * STEP
  const width = (whole - LEFT) / panels.length - GAP
  for (const [at, { name, color }] of bars.entries()) {
    out.push(text(LEFT - 10, middleOf(at), name, `text-anchor="end" fill="${color}" font-weight="bold"`))
  }
  for (const [panel, axis] of panels.entries()) {
    const left = LEFT + panel * (width + GAP)
    const across = scale(axis, left, left + width)
    for (const { at, text: mark } of axis.marks) {
      out.push(rule(across(at), TOP - 6, across(at), bottom))
      out.push(text(across(at), bottom + 16, mark, 'text-anchor="middle"'))
    }
    out.push(text(left + width / 2, bottom + 38, axis.label, 'text-anchor="middle"'))
    for (const [at, { color, values }] of bars.entries()) {
      const value = values[panel]
      if (value === undefined) continue
      const end = across(value.at)
      const place = `x="${round(left)}" y="${TOP + at * STEP}" width="${round(end - left)}" height="${BAR}"`
      out.push(`<rect ${place} fill="${color}"/>`)
      out.push(text(end + 6, middleOf(at), value.text, ''))
    }
  }
  return page(whole, bottom + 54, out)
}

function middleOf(bar: number): number {
  return TOP + bar * STEP + BAR / 2 + 4
}
