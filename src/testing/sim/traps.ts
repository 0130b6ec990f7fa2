/** What production code must not touch, because it would not be the same in the next run. */
const TRAPPED: readonly (readonly [owner: 'globalThis' | 'Date' | 'Math' | 'performance' | 'crypto', name: string])[] =
  [
    ['Date', 'now'],
    ['Math', 'random'],
    ['performance', 'now'],
    ['crypto', 'getRandomValues'],
    ['crypto', 'randomUUID'],
    ['globalThis', 'setTimeout'],
    ['globalThis', 'setInterval'],
    ['globalThis', 'setImmediate'],
    ['globalThis', 'WeakRef'],
    ['globalThis', 'FinalizationRegistry'],
  ]

/** Sets the traps: from now on each of these reports to `sprung` and throws. Returns what takes them away again. */
export function setTraps(sprung: (name: string) => void): () => void {
  const owners = { globalThis, Date, Math, performance, crypto }
  const undo = TRAPPED.map(([ownerName, name]) => {
    const owner: object = owners[ownerName]
    const before = Object.getOwnPropertyDescriptor(owner, name)
    const trap = function trap(): never {
      sprung(`${ownerName}.${name}`)
      throw new Error(`${ownerName}.${name} is used by code under simulation`)
    }
    Object.defineProperty(owner, name, { value: trap, configurable: true, writable: true })
    return () => {
      if (before === undefined) Reflect.deleteProperty(owner, name)
      else Object.defineProperty(owner, name, before)
    }
  })
  return () => {
    for (const restore of undo) restore()
  }
}
