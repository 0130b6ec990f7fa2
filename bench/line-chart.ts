import { type Axis, heading, page, round, rule, scale, text } from './svg.ts'

/** Lines over two logarithmic axes, as SVG. */
export interface LineChart {
  readonly title: string
  readonly subtitle: string
  readonly x: Axis
  readonly y: Axis
  readonly lines: readonly Line[]
}

export interface Line {
  readonly name: string
  readonly color: string
  readonly dashed?: boolean
  readonly points: readonly (readonly [x: number, y: number])[]
}

const WIDTH = 820
const HEIGHT = 480
const PLOT = { left: 80, right: 660, top: 70, bottom: 415 } as const
/** Names at the ends of lines stand at least so far apart, pixels. */
const NAME_HEIGHT = 17

export function lineChart({ title, subtitle, x, y, lines }: LineChart): string {
  const across = scale(x, PLOT.left, PLOT.right)
  const up = scale(y, PLOT.bottom, PLOT.top)
  const out = heading(PLOT.left, title, subtitle)
  for (const { at, text: mark } of x.marks) {
    out.push(rule(across(at), PLOT.top, across(at), PLOT.bottom))
    out.push(text(across(at), PLOT.bottom + 18, mark, 'text-anchor="middle"'))
  }
  for (const { at, text: mark } of y.marks) {
    out.push(rule(PLOT.left, up(at), PLOT.right, up(at)))
    out.push(text(PLOT.left - 8, up(at) + 4, mark, 'text-anchor="end"'))
  }
  out.push(text((PLOT.left + PLOT.right) / 2, PLOT.bottom + 42, x.label, 'text-anchor="middle"'))
  const middle = (PLOT.top + PLOT.bottom) / 2
  out.push(text(20, middle, y.label, `text-anchor="middle" transform="rotate(-90 20 ${middle})"`))
  for (const { color, dashed, points } of lines) {
    const path = points.map(([px, py]) => `${round(across(px))},${round(up(py))}`).join(' ')
    const dashes = dashed === true ? ' stroke-dasharray="6 4"' : ''
    out.push(`<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2"${dashes}/>`)
    for (const [px, py] of points) {
      out.push(`<circle cx="${round(across(px))}" cy="${round(up(py))}" r="3" fill="${color}"/>`)
    }
  }
  let free = PLOT.top
  const named = lines.map((line) => ({ line, end: up(line.points.at(-1)?.[1] ?? 1) })).sort((a, b) => a.end - b.end)
  for (const { line, end } of named) {
    const at = Math.max(end + 4, free)
    free = at + NAME_HEIGHT
    const [last = 1] = line.points.at(-1) ?? []
    // From where the line ends to its name, wherever other names have pushed that.
    out.push(
      `<path d="M${round(across(last) + 4)} ${round(end)}L${PLOT.right + 9} ${round(at - 4)}" stroke="${line.color}" stroke-dasharray="1 4"/>`,
    )
    out.push(text(PLOT.right + 12, at, line.name, `fill="${line.color}" font-weight="bold"`))
  }
  return page(WIDTH, HEIGHT, out)
}
