/** What the charts share: logarithmic axes, lines and words of an SVG. */
export interface Axis {
  readonly label: string
  /** Where a mark stands, in ascending order; the first and the last are the ends of the axis. */
  readonly marks: readonly Mark[]
}

export interface Mark {
  readonly at: number
  readonly text: string
}

/** Of these marks those that enclose the values. */
export function enclosing(marks: readonly Mark[], values: readonly number[]): readonly Mark[] {
  const last = marks.findIndex(({ at }) => at >= Math.max(...values))
  const first = marks.findLastIndex(({ at }) => at <= Math.min(...values))
  return marks.slice(Math.max(0, first), last === -1 ? marks.length : last + 1)
}

/** Where a value stands between two pixels. */
export function scale({ marks }: Axis, from: number, to: number): (value: number) => number {
  const least = Math.log(marks[0]?.at ?? 1)
  const most = Math.log(marks.at(-1)?.at ?? 10)
  return (value) => from + ((Math.log(value) - least) / (most - least)) * (to - from)
}

export function page(width: number, height: number, shapes: readonly string[]): string {
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#333">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...shapes,
  ]
  return `${out.join('\n')}\n</svg>\n`
}

export function heading(x: number, title: string, subtitle: string): string[] {
  return [text(x, 28, title, 'font-size="17" font-weight="bold"'), text(x, 48, subtitle, 'fill="#666"')]
}

export function rule(x1: number, y1: number, x2: number, y2: number): string {
  return `<path d="M${round(x1)} ${round(y1)}L${round(x2)} ${round(y2)}" stroke="#ddd"/>`
}

export function text(x: number, y: number, words: string, attributes: string): string {
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${words}</text>`
}

export function round(value: number): number {
  return Math.round(value * 10) / 10
}
