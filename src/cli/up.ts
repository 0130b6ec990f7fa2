import { defaultBusSocket } from '../agent/index.ts'
import { BusbarError, escapePeerText } from '../errors/index.ts'
import { type BusHost, type HostEvent, openConfiguredHost } from '../host/index.ts'
import { HOST_PARTITION } from '../services/index.ts'
import { renderCounts } from './capture-counts.ts'
import { captureFile } from './capture-file.ts'
import { type Command, JSON_OPTION, SOCKET_OPTION, type Terminal } from './command.ts'
import { failureRecord } from './failure.ts'
import { renderBytes } from './progress-bar.ts'
import { waiting } from './waiting.ts'

const DEFAULT_FILE = 'busbar.yaml'

export const up: Command = {
  name: 'up',
  words: '[FILE]',
  summary: 'start the bus and the partitions of FILE (busbar.yaml), until Ctrl-C',
  options: {
    ...JSON_OPTION,
    ...SOCKET_OPTION,
    capture: { type: 'string', value: 'FILE', help: 'write what crosses the bus to FILE, as pcapng for Wireshark' },
    quiet: { type: 'boolean', help: 'print neither the output of programs nor decisions' },
  },
  examples: ['busbar up', 'busbar up lab.yaml --json'],
  look: 'what programs of this host printed is above, what machines printed in the logs named there; `busbar up --json` tells every event',
  arity: [0, 1],
  async run({ words, options }, terminal) {
    const file = words[0] ?? DEFAULT_FILE
    const json = options['json'] === true
    const quiet = options['quiet'] === true
    const socket = typeof options['socket'] === 'string' ? options['socket'] : defaultBusSocket()
    const observe = (event: HostEvent): void => {
      if (json) terminal.out(JSON.stringify({ schemaVersion: 1, ...plain(event) }))
      else describe(event, quiet, terminal)
    }
    const path = options['capture']
    await using host = await openConfiguredHost({ file, socket, observe, signal: terminal.signal })
    const captured = typeof path === 'string' ? await keep(host, path, terminal) : undefined
    try {
      await startAll(host, terminal)
      if (!json) terminal.note(`decisions are recorded in ${host.auditLog}`)
      terminal.note(`the bus is up at ${socket}; Ctrl-C stops it`)
      await new Promise<void>((resolve) => {
        terminal.signal.addEventListener('abort', () => resolve())
        if (terminal.signal.aborted) resolve()
      })
      terminal.note('stopping')
      return 0
    } finally {
      // The partitions first: their last words belong in it.
      await host.close()
      await captured?.stop()
    }
  },
}

/** Writes a capture to a file beside the bus. When it can no longer be written the capture ends, and the bus goes on. */
async function keep(host: BusHost, path: string, terminal: Terminal): Promise<{ stop(): Promise<void> }> {
  const sink = await captureFile(path, false)
  const file = host.capture()
  const write = async (): Promise<void> => {
    try {
      for (let chunk = await file.read(); chunk !== undefined; chunk = await file.read()) await sink.write(chunk)
      await sink.close()
    } catch (thrown) {
      terminal.note(`the capture ends, ${path} cannot be written: ${BusbarError.from(thrown).message}`)
      file.stop()
      await sink.close().catch(() => {})
    }
  }
  const written = write()
  return {
    async stop() {
      file.stop()
      await written
      terminal.note(`captured ${renderCounts(file.counts)} to ${path}`)
    },
  }
}

async function startAll(host: BusHost, terminal: Terminal): Promise<void> {
  const names = host.names
  const ready = names.map(async (name) => {
    await host.start(name)
    await waiting(terminal, `partition "${name}" to attach`, host.attached(name, terminal.signal))
  })
  const results = await Promise.allSettled(ready)
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw BusbarError.from(failed.reason)
}

/** An event as one line for a person. */
function describe(event: HostEvent, quiet: boolean, terminal: Terminal): void {
  // The host's own end of the bus is no news.
  if ('partition' in event && event.partition === HOST_PARTITION) return
  switch (event.kind) {
    case 'image': {
      const { step, done, total, unit } = event.progress
      const size = (count: number): string => (unit === 'bytes' ? renderBytes(count) : `${count}`)
      return terminal.status(`guest image: ${step} ${size(done)}${total > 0 ? ` of ${size(total)}` : ''}`)
    }
    case 'starting':
      return terminal.note(
        `${event.partition}: starting, ${event.how}${event.log === undefined ? '' : `; its console is in ${event.log}`}`,
      )
    case 'attached':
      return terminal.note(`${event.partition}: attached, epoch ${event.epoch}`)
    case 'detached':
      return terminal.note(`${event.partition}: detached (${escapePeerText(event.reason.message)})`)
    case 'offered':
      return terminal.note(`${event.partition}: offers ${event.service}`)
    case 'withdrawn':
      return terminal.note(`${event.partition}: no longer offers ${event.service}`)
    case 'refused':
      return terminal.note(`${event.question.caller}: refused, ${escapePeerText(event.reason.message)}`)
    case 'decided':
      if (quiet || !event.record.allowed) return
      return terminal.note(
        `${event.record.caller}: ${event.record.target}/${event.record.service}: ${event.record.reason}`,
      )
    case 'exited':
      return terminal.note(`${event.partition}: stopped, ${howItEnded(event.exit)}`)
    case 'output':
      if (!quiet) terminal.note(`${event.partition} | ${escapePeerText(event.line)}`)
      return
    case 'broken':
      return terminal.note(`${event.partition}: ${event.reason.code} ${escapePeerText(event.reason.message)}`)
    case 'unrecorded':
      return terminal.note(`${event.reason.message}: every opening is refused until it can be`)
    default:
      event satisfies never
  }
}

function howItEnded({ reason, signal, code }: Extract<HostEvent, { kind: 'exited' }>['exit']): string {
  return reason ?? (signal === null ? `status ${code}` : `by ${signal}`)
}

/** Errors do not survive JSON by themselves. */
function plain(event: HostEvent): object {
  return 'reason' in event ? { ...event, reason: failureRecord(event.reason, event.kind)['error'] } : event
}
