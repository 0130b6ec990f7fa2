import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Terminal } from '../command.ts'
import { bootAll, type Epochs, stepper } from './steps.ts'

type Host = Parameters<typeof bootAll>[0]

function hostAt(epochs: Readonly<Record<string, number>>): Host {
  return {
    names: Object.keys(epochs),
    start: () => Promise.resolve({ running: undefined, log: undefined, lost: undefined, detach: () => {} }),
    attached: (name) => Promise.resolve(epochs[name] ?? 0),
  }
}

const { signal } = new AbortController()

test('a partition that comes back in an epoch that it had before ends the demo', async () => {
  const epochs: Epochs = new Map()
  assert.equal(await bootAll(hostAt({ storage: 1, web: 1 }), signal, epochs), 'storage (epoch 1), web (epoch 1)')
  assert.equal(await bootAll(hostAt({ storage: 2, web: 3 }), signal, epochs), 'storage (epoch 2), web (epoch 3)')
  await assert.rejects(bootAll(hostAt({ storage: 3, web: 3 }), signal, epochs), {
    message: '"web" attached in epoch 3, and its last one was 3',
  })
})

test('Ctrl-C in a step ends it, whatever it waits for', async () => {
  const stop = new AbortController()
  const out: string[] = []
  const terminal: Terminal = {
    isTerminal: false,
    signal: stop.signal,
    out: (line) => void out.push(line),
    note: () => {},
    status: () => {},
  }
  const step = stepper(terminal)
  await step('one', () => Promise.resolve('done'))
  const running = step('two', () => new Promise(() => {}))
  stop.abort()
  await assert.rejects(running, { code: 'CANCELLED' })
  assert.equal(out.length, 1)
})
