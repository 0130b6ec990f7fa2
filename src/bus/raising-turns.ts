/** Channels that go over to rings at the same time, those of all partitions. Our choice: each takes five descriptors of the bus until both ends have answered. */
export const MAX_RAISING = 48
/** Of which one partition has not answered so many. Our choice: one that leaves all of them unanswered leaves twice as many to others. */
export const MAX_RAISING_OF_ONE = 16

interface Waiting {
  readonly partitions: readonly string[]
  readonly begin: () => void
}

/** Lets so many channels go over to rings at a time, and the others wait for their turn: they are streams until then. */
export class RaisingTurns {
  readonly #waiting: Waiting[] = []
  /** How many each partition has not answered. */
  readonly #going = new Map<string, number>()
  #all = 0

  /** Does `work` when there is room for one more between these partitions; `work` does not reject, and tells which of them has `answered`. */
  async take<T>(
    partitions: readonly string[],
    work: (answered: (partition: string) => void) => Promise<T>,
  ): Promise<T> {
    if (this.#hasRoom(partitions)) this.#begin(partitions)
    else {
      await new Promise<void>((begin) => {
        this.#waiting.push({ partitions, begin })
      })
    }
    const silent = [...partitions]
    const answered = (partition: string): void => {
      const at = silent.indexOf(partition)
      if (at < 0) return
      silent.splice(at, 1)
      this.#answered(partition)
      this.#next()
    }
    try {
      return await work(answered)
    } finally {
      this.#all--
      for (const partition of silent) this.#answered(partition)
      this.#next()
    }
  }

  #hasRoom(partitions: readonly string[]): boolean {
    return this.#all < MAX_RAISING && partitions.every((name) => (this.#going.get(name) ?? 0) < MAX_RAISING_OF_ONE)
  }

  #begin(partitions: readonly string[]): void {
    this.#all++
    for (const name of partitions) this.#going.set(name, (this.#going.get(name) ?? 0) + 1)
  }

  #answered(partition: string): void {
    const left = (this.#going.get(partition) ?? 0) - 1
    if (left > 0) this.#going.set(partition, left)
    else this.#going.delete(partition)
  }

  /** In their order, and past those whose partitions have no room: whoever waits for one that does not answer holds up nobody else. */
  #next(): void {
    for (let at = 0; at < this.#waiting.length && this.#all < MAX_RAISING; ) {
      const waiting = this.#waiting[at]
      if (waiting === undefined || !this.#hasRoom(waiting.partitions)) at++
      else {
        this.#waiting.splice(at, 1)
        this.#begin(waiting.partitions)
        waiting.begin()
      }
    }
  }
}
