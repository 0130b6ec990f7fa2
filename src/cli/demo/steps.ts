import { BusbarError, escapePeerText } from '../../errors/index.ts'
import type { BusHost } from '../../host/index.ts'
import type { Client } from '../../rpc/index.ts'
import type { Terminal } from '../command.ts'
import { renderBytes, renderProgress } from '../progress-bar.ts'
import { waiting } from '../waiting.ts'
import { Visitor } from './contracts.ts'
import type { Scene } from './scene.ts'

/** How long the death of a machine may go unnoticed, `ms`. */
const NOTICED_WITHIN = 1000
/** How long `storage` is asked to wait before it answers; it dies long before, `ms`. */
const PATIENCE = 60_000
/** How long a call of the demo may take, on a busy machine and under emulation, `ms`. */
const DEADLINE = 240_000

/** Runs one step and prints its line with the time it took. A step that throws ends the demo. */
export type Step = (what: string, run: () => Promise<string>) => Promise<void>

export function stepper(terminal: Terminal): Step {
  return async (what, run) => {
    const start = performance.now()
    const found = await waiting(terminal, what, run())
    const seconds = ((performance.now() - start) / 1000).toFixed(2)
    terminal.out(`${seconds.padStart(6)} s  ${what}: ${found}`)
  }
}

/** Starts both partitions and waits until both have attached. */
export async function bootAll(host: BusHost, signal: AbortSignal): Promise<string> {
  const epochs = await Promise.all(
    host.names.map(async (name) => {
      await host.start(name)
      return `${name} (epoch ${await host.attached(name, signal)})`
    }),
  )
  return epochs.join(', ')
}

/** From `web`: list and stat the file of `storage`. */
export async function lookAtFiles(host: BusHost, { file }: Scene, step: Step): Promise<void> {
  await using web = await visitor(host)
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
export async function streamFile(host: BusHost, { file }: Scene, step: Step, terminal: Terminal): Promise<void> {
  await using web = await visitor(host)
  await step('stream it and compare its SHA-256', async () => {
    const start = performance.now()
    let last: { done: number; sha256?: string | undefined } = { done: 0 }
    for await (const progress of web.download({ path: file.path }, { deadline: DEADLINE })) {
      last = progress
      terminal.status(renderProgress(progress.done, file.size, performance.now() - start))
    }
    const elapsed = performance.now() - start
    expect(last.sha256 === file.sha256, `the sum is ${last.sha256}, on the host it is ${file.sha256}`)
    return `${renderBytes(last.done)} at ${renderBytes(last.done / (elapsed / 1000))}/s, ${last.sha256?.slice(0, 16)}… equal`
  })
}

/** What must be refused is refused, and harms nobody else. */
export async function tryAbuse(host: BusHost, step: Step): Promise<void> {
  await using web = await visitor(host)
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
  await using web = await visitor(host)
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

function visitor(host: BusHost): Promise<Client<typeof Visitor>> {
  return host.bus.activate(Visitor, { in: 'web', wait: true, deadline: DEADLINE })
}

function expect(held: boolean, found: string): void {
  if (!held) throw new BusbarError('INTERNAL', found, { stage: 'demo', hints: ['this is a bug: please report it'] })
}
