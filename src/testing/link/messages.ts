import assert from 'node:assert/strict'
import type { MessageLink } from '../../link/index.ts'
import { pattern, type Probe, sameBytes } from './probe.ts'

/** Each read gives exactly what one write took, from one byte to the longest message. */
export async function keepsBoundaries(probe: Probe<MessageLink>): Promise<void> {
  const { a, b } = probe
  const sizes = [1, 2, 8, 100, 1, 4096, 3, a.maxMessage, 1, a.maxMessage - 1, 5].filter((size) => size <= a.maxMessage)
  const writing = (async () => {
    for (const [index, size] of sizes.entries()) await probe.write(a, pattern(size, index))
    await probe.within(a.end(), 'end')
  })()
  // Where reading fails the check, the end of the writing says nothing.
  writing.catch(() => {})
  for (const [index, size] of sizes.entries()) {
    sameBytes(await probe.chunk(b), pattern(size, index), `message ${index}`)
  }
  assert.equal(await probe.within(b.read(), 'read'), undefined)
  await writing
}

/** Messages written in one go without waiting keep their boundaries too. */
export async function keepsBoundariesOfBurst(probe: Probe<MessageLink>): Promise<void> {
  const { a, b } = probe
  for (let i = 0; i < 200; i++) void a.write(pattern(1 + (i % 17), i))
  for (let i = 0; i < 200; i++) sameBytes(await probe.chunk(b), pattern(1 + (i % 17), i), `message ${i}`)
}

/** A message longer than `maxMessage` is `LIMIT`, an empty one `INVALID_ARGUMENT`; the link goes on. */
export async function refusesBadSizes(probe: Probe<MessageLink>): Promise<void> {
  const { a, b } = probe
  await probe.rejects(a.write(new Uint8Array(a.maxMessage + 1)), ['LIMIT'], 'a message that is too long')
  await probe.rejects(a.write(new Uint8Array(0)), ['INVALID_ARGUMENT'], 'an empty message')
  await probe.write(a, pattern(4, 1))
  sameBytes(await probe.chunk(b), pattern(4, 1), 'the message after the refused ones')
}
