/** Two machines and a process that run `Ends`, and what they do over rings that end in the bus. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import type { BusHost } from '../../src/host/index.ts'
import type { Client } from '../../src/rpc/index.ts'
import { PROGRAM } from '../built-bus.ts'
import { Ends } from './ends.ts'

/** What is sent there and back. */
const BYTES = 3_000_000
const CALLS = 50
/** Pipes that are open when somebody is killed, and the bytes that have come on them by then: a few in the link, several rings. */
const PIPES = 3
const POINTS = [1, 2_000_000] as const
/** What a pipe may end with: its other end died while it was opened, before, or after. */
const KILLED = ['CANCELLED', 'NO_SUCH_SERVICE', 'PEER_DIED']
/** Bytes of a place in the memory: a page, and two rings with a page each. */
const PLACE = 4096 + 2 * (4096 + 262_144)
/** The descriptor of QEMU's that is the memory which a machine shares with the bus, where it shares some with one other machine. */
const REGION_FD = 6
const MARK = 'a mark that nobody else writes'

interface Report {
  readonly bus: { readonly pipes: readonly { caller: string; pipe: string; medium: string; noRings?: string }[] }
  readonly withBus: readonly { machine: string; inUse: number }[]
  readonly partitions: readonly { name: string; running: { pid: number } }[]
}

export interface Stage {
  readonly host: BusHost
  /** Where programs of the host attach. */
  readonly socket: string
  /** Longest time of a call, `ms`. */
  readonly deadline: number
  /** Kills the program of `other` that offers `victim`, and starts another. */
  kill(): Promise<void>
}

export function endsOf(
  { host, deadline }: Pick<Stage, 'host' | 'deadline'>,
  name: string,
): Promise<Client<typeof Ends>> {
  return host.bus.activate(Ends, { in: name, wait: true, deadline })
}

/** Places that a machine shares with the bus and that channels have. */
export function placesInUse(host: BusHost, name: string): number {
  return (host.inspect() as Report).withBus.find(({ machine }) => machine === name)?.inUse ?? 0
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve))
}

/** Settles when so many pipes have gone over to rings. */
function onRings({ host }: Stage, caller: string, pipe: string, count = 1): Promise<void> {
  return until(() => {
    const pipes = (host.inspect() as Report).bus.pipes.filter((one) => one.caller === caller && one.pipe === pipe)
    const refused = pipes.find(({ noRings }) => noRings !== undefined)
    assert.equal(refused?.noRings, undefined)
    return pipes.filter(({ medium }) => medium === 'ring').length === count
  })
}

export async function regionTests(context: TestContext, stage: Stage): Promise<void> {
  const { host, deadline } = stage
  const options = { deadline }
  const startHelper = async (): Promise<Client<typeof Ends>> => {
    await host.start('helper')
    await host.attached('helper')
    return endsOf(stage, 'helper')
  }
  const keeper = await endsOf(stage, 'keeper')
  let helper = await startHelper()

  const ways = [
    { from: 'keeper', to: 'helper', ends: keeper },
    { from: 'helper', to: 'keeper', ends: helper },
    { from: 'keeper', to: 'other', ends: keeper },
  ] as const
  for (const { from, to, ends } of ways) {
    await context.test(`carry bytes and calls from ${from} to ${to} over rings with the bus`, async () => {
      await ends.open({ to }, options)
      await onRings(stage, from, `${to}/echo`)
      assert.equal(await ends.copy({ bytes: BYTES }, options), BYTES)
      assert.deepEqual(await ends.over({}, options), ['in order'])
      await ends.calls({ to, count: CALLS }, options)
    })
  }

  await context.test('carry what `busbar pipe` sends over rings with the bus', async () => {
    const pipe = spawn(process.execPath, [PROGRAM, 'pipe', 'keeper/echo', '--socket', stage.socket])
    const heard: Buffer[] = []
    pipe.stdout.on('data', (chunk: Buffer) => heard.push(chunk))
    pipe.stdin.write('first')
    await onRings(stage, 'host', 'keeper/echo')
    const rest = Buffer.alloc(500_000, 'something else ')
    pipe.stdin.end(rest)
    assert.deepEqual(await once(pipe, 'close'), [0, null])
    assert.ok(Buffer.concat([Buffer.from('first'), rest]).equals(Buffer.concat(heard)))
  })

  await context.test('break pipes whose program was killed, and have their places back', async () => {
    for (const bytes of POINTS) {
      const before = placesInUse(host, 'other')
      await helper.begin({ to: 'other/victim', pipes: PIPES, bytes }, options)
      await onRings(stage, 'helper', 'other/victim', PIPES)
      await stage.kill()
      const codes = await helper.over({}, options)
      assert.deepEqual([...new Set([...codes, ...KILLED])].toSorted(), KILLED)
      await until(() => placesInUse(host, 'other') === before)
    }
  })

  await context.test('break pipes whose process was killed, and have their places back', async () => {
    const before = placesInUse(host, 'keeper')
    await keeper.begin({ to: 'helper/flow', pipes: PIPES, bytes: 2_000_000 }, options)
    await onRings(stage, 'keeper', 'helper/flow', PIPES)
    await host.kill('helper')
    assert.deepEqual(await keeper.over({}, options), ['PEER_DIED'])
    await until(() => placesInUse(host, 'keeper') === before)
    helper = await startHelper()
  })

  await context.test('lose a pipe that the machine writes nonsense to, and no other', async () => {
    const before = placesInUse(host, 'keeper')
    await helper.open({ to: 'keeper' }, options)
    await onRings(stage, 'helper', 'keeper/echo')
    await helper.mark({ text: MARK }, options)
    const { partitions } = host.inspect() as Report
    const pid = partitions.find(({ name }) => name === 'keeper')?.running.pid
    const memory = await open(`/proc/${pid}/fd/${REGION_FD}`, 'r+')
    const bytes = await memory.readFile()
    const place = Math.floor(bytes.indexOf(MARK) / PLACE) * PLACE
    assert.ok(place >= 0)
    await memory.write(Buffer.alloc(PLACE, 0xa5), 0, PLACE, place)
    await memory.close()
    await assert.rejects(helper.copy({ bytes: BYTES }, options))
    assert.match((await helper.over({}, options)).join(), /^(MALFORMED|RESET)$/)
    await keeper.calls({ to: 'helper', count: CALLS }, options)
    await until(() => placesInUse(host, 'keeper') === before)
  })
}
