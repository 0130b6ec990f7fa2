import type { Pipe } from '../../src/pipe/index.ts'

/** A module for programs of tests: sends a pattern in pieces of many sizes for ever, and checks what comes. */
export const FLOW = `
const pattern = Uint8Array.from({ length: 70_000 + 251 }, (_, index) => index % 251)
export async function flow(handle, onBytes) {
  let sent = 0
  const send = async () => {
    for (let length = 1; ; length = (length * 7 + 3) % 70_000) {
      const room = handle.write(pattern.slice(sent % 251, (sent % 251) + length))
      sent += length
      if (room instanceof Promise) await room
      else await new Promise(setImmediate)
    }
  }
  let got = 0
  const take = async () => {
    for (let chunk = await handle.read(); chunk !== undefined; chunk = await handle.read()) {
      const start = got % 251
      if (chunk.length > 70_000) throw new Error('a chunk that is too long')
      if (Buffer.compare(chunk, pattern.subarray(start, start + chunk.length)) !== 0) throw new Error('wrong bytes')
      got += chunk.length
      onBytes(got)
    }
    throw new Error('an end that nobody sent')
  }
  const [sending, taking] = await Promise.allSettled([send(), take()])
  return [sending.reason, taking.reason].map((reason) => reason.code ?? String(reason))
}
`

type Flow = (pipe: Pipe, onBytes: (got: number) => void) => Promise<string[]>

/** The same here: tells how many bytes have come, and settles with what sending and reading failed with. */
export const { flow } = (await import(`data:text/javascript,${encodeURIComponent(FLOW)}`)) as { readonly flow: Flow }
