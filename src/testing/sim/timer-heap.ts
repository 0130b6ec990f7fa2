/** Something that happens at a moment; equal moments in the order they were added. */
export interface Timed {
  readonly due: number
  readonly order: number
}

/** A binary heap: the earliest first. */
export class TimerHeap<T extends Timed> {
  readonly #items: T[] = []

  get size(): number {
    return this.#items.length
  }

  first(): T | undefined {
    return this.#items[0]
  }

  push(item: T): void {
    const items = this.#items
    let at = items.length
    items.push(item)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = items[parent] as T
      if (!earlier(item, above)) break
      items[at] = above
      at = parent
    }
    items[at] = item
  }

  pop(): T | undefined {
    const items = this.#items
    const first = items[0]
    const last = items.pop()
    if (last === undefined || items.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= items.length) break
      if (child + 1 < items.length && earlier(items[child + 1] as T, items[child] as T)) child++
      if (!earlier(items[child] as T, last)) break
      items[at] = items[child] as T
      at = child
    }
    items[at] = last
    return first
  }
}

function earlier(a: Timed, b: Timed): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order)
}
