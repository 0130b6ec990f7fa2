/** What `busbar ls` shows an operator of pipes that have rings, and of those that have none. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, test, type TestContext } from 'node:test'
import { BuiltBus, PROGRAM } from './built-bus.ts'

const SERVER = `
import { attach } from 'busbar'
const bus = await attach()
await bus.offer('echo', (pipe) => pipe.pipe(pipe))
await bus.closed
`
/** Holds a pipe open, and says so once bytes went there and back. */
const CLIENT = `
import { once } from 'node:events'
import { attach } from 'busbar'
const bus = await attach()
const pipe = await bus.open('server/echo', { wait: true })
pipe.write('x')
await once(pipe, 'data')
console.log('flows')
await bus.closed
`
const CONFIG = `
partitions:
  server: { kind: process, run: [node, server.mjs] }
  client: { kind: process, run: [node, client.mjs] }
  without: { kind: process, run: [node, client.mjs], env: { BUSBAR_RINGS: off } }
policy:
  - { allow: [client, without], to: server, service: echo }
`

async function ls(bus: BuiltBus, ...options: string[]): Promise<string> {
  const child = spawn(process.execPath, [PROGRAM, 'ls', ...options], {
    cwd: bus.directory,
    env: { ...process.env, BUSBAR_SOCKET: bus.socket },
  })
  let out = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  const [status] = (await once(child, 'close')) as [number | null]
  assert.equal(status, 0)
  return out
}

/** A bus with both pipes open, while the test lasts. */
async function open(t: TestContext, env: Readonly<Record<string, string>>): Promise<BuiltBus> {
  const bus = await BuiltBus.make('shown', { 'server.mjs': SERVER, 'client.mjs': CLIENT, 'busbar.yaml': CONFIG })
  t.after(() => bus.remove())
  bus.upWith(env)
  await bus.printed(/"flows"[^]*"flows"/)
  return bus
}

/** The line of the pipe of that partition. */
function lineOf(table: string, caller: string): string {
  return table.split('\n').find((line) => line.startsWith(`${caller} -> server/echo `)) ?? `no pipe of ${caller}`
}

describe('what an operator sees of rings', { timeout: 120_000 }, () => {
  test('a pipe that has them, and why another has not', async (t) => {
    const bus = await open(t, {})
    // It goes over while bytes flow.
    let table = await ls(bus)
    while (!/ring/.test(lineOf(table, 'client'))) table = await ls(bus)
    assert.match(lineOf(table, 'client'), /^client -> server\/echo +ring +- +-$/)
    assert.match(lineOf(table, 'without'), /^without -> server\/echo +stream +1 B +1 B +UNAVAILABLE: "without" has no /)
    assert.match(await ls(bus, '--json'), /"noRings": "UNAVAILABLE: [^\n]*or shares no memory with the bus"/)
  })

  test('that they are turned off for all', async (t) => {
    const bus = await open(t, { BUSBAR_RINGS: 'off' })
    const table = await ls(bus)
    for (const caller of ['client', 'without']) {
      assert.match(lineOf(table, caller), /stream +1 B +1 B +UNAVAILABLE: rings are turned off$/)
    }
  })
})
