import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { busOf } from './bus-of.ts'
import type { Terminal } from './command.ts'

test('Ctrl-C at a bus that does not answer is no matter of waiting for it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'busbar-bus-of-'))
  const socket = join(directory, 'silent.sock')
  const stop = new AbortController()
  const left: Promise<unknown>[] = []
  const silent = net.createServer((program) => {
    left.push(once(program, 'close'))
    program.on('error', () => {})
    // Whoever attaches has said its first word.
    program.once('data', () => stop.abort())
  })
  silent.listen(socket)
  await once(silent, 'listening')
  const nothing = (): void => {}
  const terminal: Terminal = { isTerminal: false, signal: stop.signal, out: nothing, note: nothing, status: nothing }
  await assert.rejects(busOf({ words: [], options: { socket } }, terminal), { code: 'CANCELLED', stage: 'attach' })
  assert.equal(left.length, 1)
  await Promise.all(left)
  silent.close()
  await rm(directory, { recursive: true })
})
