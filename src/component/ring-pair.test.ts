/** What `memoryPair` gives, on rings: two ends of a link in one process, whose bytes go through shared memory. */
import { type FencedLink, RingPairs } from '../testing/index.ts'

/** A link of these tests: what one end sends can be held up. */
export type TestLink = FencedLink

const pairs = new RingPairs()

export function ringPair(): [TestLink, TestLink] {
  return pairs.pair()
}

/** Closes those that tests left open; how many links there were. */
export function closeRingPairs(): number {
  return pairs.close()
}
