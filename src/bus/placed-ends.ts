import type { RingSignals } from './rings.ts'

/** The places that a partition was offered and has not said it has no more, by channel. It may have them longer than the channel lasts. */
export class PlacedEnds {
  readonly #held = new Map<number, RingSignals>()

  get size(): number {
    return this.#held.size
  }

  hold(channelId: number, signals: RingSignals): void {
    this.#held.set(channelId, signals)
  }

  /** It rang. Whoever rings for what he has not is heard by nobody. */
  rang(channelId: number): void {
    this.#held.get(channelId)?.ring()
  }

  released(channelId: number): void {
    const signals = this.#held.get(channelId)
    this.#held.delete(channelId)
    signals?.released()
  }

  /** Whoever had them is gone, and all of its memory with it. */
  gone(): void {
    for (const channelId of [...this.#held.keys()]) this.released(channelId)
  }
}
