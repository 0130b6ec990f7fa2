/** Rings between real processes that are killed in the middle of transfers: the others hear why, and nothing is left. */
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type BusHost, openConfiguredHost } from '../src/host/index.ts'
import { heldRings } from '../src/testing/index.ts'
import { installed } from './built-bus.ts'
import { FLOW } from './rings/flow.ts'

/** Pipes that each side opens to the other. */
const PIPES = 25
/** How often the other side is killed. Thousands of transfers are in `rings-kills.integration.test.ts`; here is the whole host. */
const ROUNDS = 4

const VICTIM = `
import { attach } from 'busbar'
import { flow } from './flow.mjs'
const bus = await attach()
await bus.offer('victim', (pipe) => void flow(pipe.on('error', () => {}).handle, () => {}))
for (let i = 0; i < ${PIPES}; i++) void bus.openPipe('keeper/keeper', { wait: true }).then((pipe) => flow(pipe, () => {}))
await bus.closed
`
const KEEPER = `
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { attach } from 'busbar'
import { flow } from './flow.mjs'
const bus = await attach()
const links = () => readdirSync('/proc/self/fd').flatMap((fd) => {
  try { return [readlinkSync('/proc/self/fd/' + fd)] } catch { return [] }
})
const held = () => links().filter((link) => link.startsWith('pipe:') || link.includes('memfd')).length
const mapped = () => readFileSync('/proc/self/maps', 'utf8').split('memfd:busbar-rings').length - 1
const before = held()
let flowing = 0
let codes = []
const run = async (pipe) => {
  const { handle } = pipe.on('error', () => {})
  let counted = false
  const ended = await flow(handle, (got) => {
    if (counted || got < 500_000) return
    counted = true
    if (++flowing === ${2 * PIPES}) console.log('flowing')
  })
  codes.push(...ended)
  if (codes.length < ${4 * PIPES}) return
  const all = [...new Set(codes)].toSorted()
  codes = []
  flowing = 0
  for (let turn = 0; turn < 1000 && held() > before; turn++) await new Promise(setImmediate)
  console.log('over ' + JSON.stringify({ codes: all, held: held() - before, mapped: mapped() }))
}
await bus.offer('keeper', run)
process.stdin.resume()
const open = async () => { for (let i = 0; i < ${PIPES}; i++) void bus.open('victim/victim', { wait: true, deadline: 60_000 }).then(run) }
await bus.offer('go', (pipe) => { pipe.end(); void open() })
console.log('ready')
await bus.closed
`
const CONFIG = `
partitions:
  keeper: { kind: process, run: [node, keeper.mjs] }
  victim: { kind: process, run: [node, victim.mjs] }
policy:
  - { allow: victim, to: keeper, service: keeper }
  - { allow: keeper, to: victim, service: victim }
`

let directory: string
let host: BusHost
const said: string[] = []
let heard: () => void = () => {}
/** The one that is not killed has ended. */
let gone = false

async function line(start: string): Promise<string> {
  for (;;) {
    const index = said.findIndex((text) => text.startsWith(start))
    if (index >= 0) return said.splice(index, 1)[0] as string
    if (gone) assert.fail(`the keeper has ended: ${said.join(' / ')}`)
    await new Promise<void>((resolve) => {
      heard = resolve
    })
  }
}

function media(): string[] {
  const { bus } = host.inspect() as { bus: { pipes: { caller: string; medium: string }[] } }
  return bus.pipes.filter(({ caller }) => caller !== 'host').map(({ medium }) => medium)
}

before(async () => {
  const files = { 'flow.mjs': FLOW, 'victim.mjs': VICTIM, 'keeper.mjs': KEEPER, 'busbar.yaml': CONFIG }
  directory = await installed('rings', files)
  host = await openConfiguredHost({
    file: join(directory, 'busbar.yaml'),
    logDirectory: join(directory, 'logs'),
    observe: (event) => {
      if (event.kind === 'output') said.push(event.line)
      if (event.kind === 'exited' && event.partition === 'keeper') gone = true
      heard()
    },
  })
})

after(async () => {
  await host.close()
  await rm(directory, { recursive: true, force: true })
})

describe('processes on rings', { timeout: 600_000 }, () => {
  test(`${ROUNDS * PIPES * 2} pipes whose other end is killed in the middle`, async () => {
    await host.start('keeper')
    await host.attached('keeper')
    await line('ready')
    for (let round = 0; round < ROUNDS; round++) {
      await host.start('victim')
      await host.attached('victim')
      const go = await host.bus.open('keeper/go', { wait: true })
      go.resume().end()
      await line('flowing')
      // Bytes flow on the link until a pipe has its turn to go over.
      while (media().some((medium) => medium !== 'ring')) await new Promise((resolve) => setImmediate(resolve))
      await host.kill('victim')
      const over = JSON.parse((await line('over ')).slice('over '.length)) as Record<string, unknown>
      assert.deepEqual(over, { codes: ['PEER_DIED'], held: 0, mapped: 0 }, `round ${round}`)
    }
    // This process is the bus.
    assert.deepEqual(heldRings(), [])
  })
})
