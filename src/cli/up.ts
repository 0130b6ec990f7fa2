import { setTimeout as sleep } from 'node:timers/promises'
import { defaultBusSocket } from '../agent/index.ts'
import { BusbarError, escapeJson } from '../errors/index.ts'
import { type BusHost, openConfiguredHost } from '../host/index.ts'
import { renderCounts } from './capture-counts.ts'
import { captureFile } from './capture-file.ts'
import { type Command, JSON_OPTION, LOOK_AT_BUS, SOCKET_OPTION, STATUS, type Terminal } from './command.ts'
import { describeEvent, eventRecord, type UpEvent } from './up-events.ts'
import { Starting } from './up-start.ts'
import { untilStopped, Wait } from './waiting.ts'

const DEFAULT_FILE = 'busbar.yaml'
/** How long partitions that somebody else starts may take before the bus is said to be up without them, `ms` (our choice). */
const GRACE = 1000

export const up: Command = {
  name: 'up',
  words: '[FILE]',
  summary: 'start the bus and the partitions of FILE (busbar.yaml), until Ctrl-C',
  options: {
    ...JSON_OPTION,
    ...SOCKET_OPTION,
    json: { type: 'boolean', help: 'print every event as a line of JSON' },
    capture: { type: 'string', value: 'FILE', help: 'write what crosses the bus to FILE, as pcapng for Wireshark' },
    quiet: {
      type: 'boolean',
      help: 'print neither the output of programs nor decisions; the audit log has them all the same',
    },
  },
  examples: ['busbar up', 'busbar up lab.yaml --json'],
  more: [
    '',
    'A file to begin with:',
    '  partitions:',
    '    server: { kind: process, run: [node, server.mjs] }',
    '    client: { kind: process, run: [node, client.mjs] }',
    '  policy:',
    '    - { allow: client, to: server, service: hello.Greeter }',
    '',
    'When a partition of kind process or qemu cannot be started, the bus ends. One of kind external may come later, or go and come',
    'again: it is connected to whenever it is there. Each decision of the policy is a line of JSON in the audit log, which `busbar up`',
    'names when it is up.',
    '',
    'Channels between programs of this host, and those of machines, go over to shared memory. In the environment of the bus, and in the',
    '`env` of a partition for that one:',
    '  BUSBAR_RINGS=off  no shared memory; `busbar ls` shows which medium a pipe has, and why',
    '  BUSBAR_POLL=MS    how long to look for more before waiting for a doorbell, 0 to 1000; 0: never look',
  ],
  look: ({ stage }) =>
    stage === 'listen'
      ? LOOK_AT_BUS
      : 'what programs of this host printed is above, what machines printed in the logs named there; `busbar up --json` tells every event',
  arity: [0, 1],
  async run({ words, options }, terminal) {
    const file = words[0] ?? DEFAULT_FILE
    const json = options['json'] === true
    const quiet = options['quiet'] === true
    const given = options['socket'] ?? process.env['BUSBAR_SOCKET']
    const socket = typeof given === 'string' ? given : defaultBusSocket()
    let wait: Wait | undefined
    const observe = (event: UpEvent): void => {
      if (json) terminal.out(escapeJson(JSON.stringify({ schemaVersion: 1, ...eventRecord(event) })))
      else describeEvent(event, quiet, terminal, wait)
    }
    const path = options['capture']
    const failed = new AbortController()
    const signal = AbortSignal.any([terminal.signal, failed.signal])
    await using host = await openConfiguredHost({ file, socket, observe, signal })
    const captured = typeof path === 'string' ? await keep(host, path, terminal) : undefined
    const starting = new Starting(host, { signal, tell: observe })
    try {
      wait = new Wait(terminal, () => `${partitions(starting.missing)} to attach`)
      await starting.own
      await Promise.race([starting.tried, sleep(GRACE, undefined, { signal })])
      wait[Symbol.dispose]()
      const { missing } = starting
      observe({ kind: 'up', socket, auditLog: host.auditLog, missing })
      if (!json) terminal.note(`decisions are recorded in ${host.auditLog}`)
      const without = missing.length === 0 ? '' : ` without ${partitions(missing)} so far`
      terminal.note(`the bus is up at ${socket}${without}; Ctrl-C stops it`)
      await untilStopped(terminal.signal, new Promise<never>(() => {})).catch(() => {})
      terminal.note('stopping')
      return STATUS.done
    } finally {
      wait?.[Symbol.dispose]()
      using _stopping = new Wait(terminal, 'the partitions to stop')
      failed.abort()
      await starting.over()
      // The partitions first: their last words belong in it.
      await host.close()
      await captured?.stop()
    }
  },
}

function partitions(names: readonly string[]): string {
  const quoted = names.map((name) => `"${name}"`)
  return `${quoted.length === 1 ? 'partition' : 'partitions'} ${quoted.join(', ')}`
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
