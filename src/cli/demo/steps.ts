import { BusbarError, escapePeerText } from '../../errors/index.ts'
import type { BusHost } from '../../host/index.ts'
import type { Client } from '../../rpc/index.ts'
import type { Terminal } from '../command.ts'
import { renderBytes, renderProgress } from '../progress-bar.ts'
import { untilStopped, Wait, waiting } from '../waiting.ts'
import { Visitor } from './contracts.ts'
import type { Scene } from './scene.ts'

/** How long the death of a machine may go unnoticed, `ms`. */
const NOTICED_WITHIN = 1000
/** How long `storage` is asked to wait before it answers; it dies long before, `ms`. */
const PATIENCE = 60_000
/** How long a call of the demo may take, on a busy machine and under emulation, `ms`. */
const DEADLINE = 240_000

/** Runs one step of the demo, and prints a line for it with the time it took. A step that throws ends the demo, and so does Ctrl-C in the middle of it. */
export interface Step {
  (what: string, run: (wait: Wait) => Promise<string>): Promise<void>
  readonly terminal: Terminal
}

export function stepper(terminal: Terminal): Step {
  const step = (what: string, run: (wait: Wait) => Promise<string>): Promise<void> =>
    timed(terminal, what, (wait) => untilStopped(terminal.signal, run(wait)))
  return Object.assign(step, { terminal })
}

/** The same for what ends by itself on Ctrl-C, and cleans up. */
export async function timed(terminal: Terminal, what: string, run: (wait: Wait) => Promise<string>): Promise<void> {
  const start = performance.now()
  using wait = new Wait(terminal, what)
  const found = await run(wait)
  const seconds = ((performance.now() - start) / 1000).toFixed(2)
  terminal.out(`${seconds.padStart(6)} s  ${what}: ${found}`)
}

/** The last epoch of each partition. */
export type Epochs = Map<string, number>

/** Starts all partitions and waits until they have attached, each in an epoch that is newer than its last one. */
export async function bootAll(
  host: Pick<BusHost, 'names' | 'start' | 'attached'>,
  signal: AbortSignal,
  epochs: Epochs,
): Promise<string> {
  const booted = await Promise.all(
    host.names.map(async (name) => {
      await host.start(name)
      return [name, await host.attached(name, signal)] as const
    }),
  )
  for (const [name, epoch] of booted) {
    const last = epochs.get(name) ?? 0
    expect(epoch > last, `"${name}" attached in epoch ${epoch}, and its last one was ${last}`)
    epochs.set(name, epoch)
  }
  return booted.map(([name, epoch]) => `${name} (epoch ${epoch})`).join(', ')
}

/** From `web`: list and stat the file of `storage`. */
export async function lookAtFiles(host: BusHost, { file }: Scene, step: Step): Promise<void> {
  await using web = await visitor(host, step)
  await step('list the files of "storage" from "web"', async () => {
    const entries = await web.list({ path: '/' })
    expect(
      entries.some(({ name, size }) => name === 'report.bin' && size === file.size),
      'report.bin is not listed',
    )
    return entries.map(({ name, size }) => `${escapePeerText(name)} ${renderBytes(size)}`).join(', ')
  })
  await step('stat it', async () => {
    const { size, modified } = await web.stat({ path: file.path })
    expect(size === file.size, `${size} bytes instead of ${file.size}`)
    return `${renderBytes(size)}, modified ${modified.toISOString()}`
  })
}

/** From `web`: stream the file of `storage`, and compare it with the host's own. */
export async function streamFile(host: BusHost, { file }: Scene, step: Step): Promise<void> {
  await using web = await visitor(host, step)
  await step('stream it and compare its SHA-256', async (wait) => {
    const start = performance.now()
    let last: { done: number; sha256?: string | undefined } = { done: 0 }
    for await (const progress of web.download({ path: file.path }, { deadline: DEADLINE })) {
      last = progress
      wait.heard()
      step.terminal.status(renderProgress(progress.done, file.size, performance.now() - start))
    }
    const elapsed = performance.now() - start
    expect(last.sha256 === file.sha256, `the sum is ${last.sha256}, on the host it is ${file.sha256}`)
    return `${renderBytes(last.done)} at ${renderBytes(last.done / (elapsed / 1000))}/s, ${last.sha256?.slice(0, 16)}… equal`
  })
}

/** What must be refused is refused, and harms nobody else. */
export async function tryAbuse(host: BusHost, step: Step): Promise<void> {
  await using web = await visitor(host, step)
  await step('call what is not in the contract', async () => {
    const { code, message, bytesSent } = await web.callOutsideContract()
    expect(code === 'NOT_IN_CONTRACT' && bytesSent === 0, `${code} after ${bytesSent} bytes`)
    return `${code}, ${bytesSent} bytes sent (${escapePeerText(message)})`
  })
  await step('open what policy does not allow', async () => {
    const { code, message } = await web.openForbidden()
    expect(code === 'DENIED', code)
    return `${code} (${escapePeerText(message)})`
  })
  await step('write garbage on a pipe', async () => {
    const { code, message, othersWork } = await web.writeGarbage()
    expect(code === 'MALFORMED' && othersWork, `${code}, other channels work: ${othersWork}`)
    return `${code}, only that channel died (${escapePeerText(message)})`
  })
}

/** A machine dies in the middle of a call. */
export async function killStorage(host: BusHost, step: Step): Promise<void> {
  await using web = await visitor(host, step)
  await step('kill "storage" with SIGKILL during a call', async () => {
    const outcomes = web.waitForStorage({ ms: PATIENCE }, { deadline: DEADLINE })
    await outcomes.next()
    const killed = performance.now()
    const [{ value }] = await Promise.all([outcomes.next(), host.kill('storage')])
    const after = performance.now() - killed
    const { code, message } = value ?? { code: 'NONE', message: 'nothing came' }
    expect(code === 'PEER_DIED' && after < NOTICED_WITHIN, `${code} after ${Math.round(after)} ms`)
    return `"web" got ${code} after ${Math.round(after)} ms (${escapePeerText(message)})`
  })
  await step('stop "web"', async () => {
    await host.stop('web')
    return 'stopped'
  })
}

function visitor(host: BusHost, { terminal }: Step): Promise<Client<typeof Visitor>> {
  const { signal } = terminal
  const activating = host.bus.activate(Visitor, { in: 'web', wait: true, deadline: DEADLINE, signal })
  return waiting(terminal, 'the program in "web"', activating)
}

function expect(held: boolean, found: string): void {
  if (!held) throw new BusbarError('INTERNAL', found, { stage: 'demo', hints: ['this is a bug: please report it'] })
}
