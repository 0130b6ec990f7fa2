import type { SimRandom } from './random.ts'

/** How large the chunks are that a link delivers. */
export type ChunkStyle =
  /** One byte at a time. */
  | 'bytes'
  /** Each write as it was. */
  | 'writes'
  /** Anything from one byte to all there is. */
  | 'cuts'
  /** All there is. */
  | 'merged'
  /** Up to the end of a write, or one byte before or behind it. */
  | 'edges'

/** The medium of one link. */
export interface LinkPolicy {
  readonly styles: readonly ChunkStyle[]
  /** Unread `bytes` in one direction before its writer has to wait. */
  readonly window: number
  /** Most virtual `ms` that a delivery takes. */
  readonly latency: number
  /** How often a write has to wait although there is room. */
  readonly slowWrites: number
  /** How often a close overtakes the bytes that are under way. */
  readonly lossyClose: number
}

/** Small deliveries per direction before the link delivers large ones: bounds the time of a run (our choice). */
export const SMALL_DELIVERIES = 300

export function drawLinkPolicy(random: SimRandom): LinkPolicy {
  const all: readonly ChunkStyle[] = ['bytes', 'writes', 'cuts', 'merged', 'edges']
  return {
    styles: random.chance(0.3) ? [random.pick(all)] : all.filter((style) => style !== 'bytes' || random.chance(0.2)),
    window: random.pick([64, 4096, 65_536, 262_144]),
    latency: random.pick([0, 0, 1, 5, 40]),
    slowWrites: random.pick([0, 0, 0.1, 0.5]),
    lossyClose: random.pick([0, 0.5, 1]),
  }
}

/** Size of the next chunk out of `held` bytes, the first of which are the `first` bytes of one write. */
export function drawChunk(style: ChunkStyle, first: number, held: number, random: SimRandom): number {
  switch (style) {
    case 'bytes':
      return 1
    case 'writes':
      return first
    case 'cuts':
      return random.sized(held)
    case 'merged':
      return held
    case 'edges':
      return Math.min(held, Math.max(1, first + random.between(-1, 1)))
    default:
      return style satisfies never
  }
}
