/** Calls of any kind, one at a time or many in flight, and how long they take. */
export interface Load {
  /** Ends after so many calls, or after so many `milliseconds`, whichever is first. */
  count: number
  ms: number
  /** Payload, `bytes`. */
  size: number
  inFlight: number
}

/** Makes one call and tells how many bytes came back. */
export type Call = (data: Uint8Array, done: (bytes: number) => void) => void

/** One call after the other; each call's time in ms. */
export function serial(call: Call, { count, ms, size }: Load): Promise<number[]> {
  const data = new Uint8Array(size).fill(7)
  return new Promise((resolve) => {
    const times: number[] = []
    const until = performance.now() + ms
    let start = 0
    const next = (): void => {
      start = performance.now()
      call(data, done)
    }
    const done = (bytes: number): void => {
      const end = performance.now()
      check(bytes, size)
      times.push(end - start)
      if (times.length < count && end < until) next()
      else resolve(times)
    }
    next()
  })
}

/** Calls per second. */
export function parallel(call: Call, { count, ms, size, inFlight }: Load): Promise<number> {
  const data = new Uint8Array(size).fill(7)
  return new Promise((resolve) => {
    const start = performance.now()
    let begun = 0
    let ended = 0
    let over = false
    const next = (): void => {
      begun++
      call(data, done)
    }
    const done = (bytes: number): void => {
      check(bytes, size)
      ended++
      // Looking at the clock every time would be part of what is measured.
      if (begun === count || ((ended & 15) === 0 && performance.now() - start > ms)) over = true
      if (!over) next()
      else if (ended === begun) resolve((ended * 1000) / (performance.now() - start))
    }
    for (let i = 0; i < Math.min(inFlight, count); i++) next()
  })
}

function check(bytes: number, size: number): void {
  if (bytes !== size) throw new Error(`${size} bytes were sent, and the answer says ${bytes}`)
}
