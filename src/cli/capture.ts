import type { CaptureCounts } from '../capture/index.ts'
import { BusbarError } from '../errors/index.ts'
import { BusCapture } from '../host/index.ts'
import { HOST_PARTITION } from '../services/index.ts'
import { busOf } from './bus-of.ts'
import { renderCounts } from './capture-counts.ts'
import { captureFile, captureOutput } from './capture-file.ts'
import { type Command, JSON_OPTION, LOOK_AT_BUS, SOCKET_OPTION } from './command.ts'
import { Wait, waiting } from './waiting.ts'

/** How often the count on a terminal changes, `ms` (our choice). */
const REPAINT = 200

export const capture: Command = {
  name: 'capture',
  words: '',
  summary: 'write what crosses the bus as pcapng, which Wireshark reads, until Ctrl-C',
  options: {
    write: { type: 'string', short: 'w', value: 'FILE', help: 'where to; - is standard output' },
    partition: { type: 'string', value: 'NAME', help: 'only pipes that this partition opened or serves' },
    service: { type: 'string', value: 'NAME', help: 'only pipes to this service' },
    force: { type: 'boolean', help: 'replace FILE if it exists' },
    json: { ...JSON_OPTION['json'], type: 'boolean', help: 'print the counts at the end as JSON' },
    ...SOCKET_OPTION,
  },
  examples: ['busbar capture -w bus.pcapng', 'busbar capture -w - --partition web | wireshark -k -i -'],
  look: LOOK_AT_BUS,
  arity: [0, 0],
  async run(given, terminal) {
    const { write: path, partition, service, force, json } = given.options
    if (typeof path !== 'string') {
      throw new BusbarError('INVALID_ARGUMENT', 'a capture needs to know where to', {
        stage: 'arguments',
        hints: ['say -w FILE, or -w -'],
      })
    }
    if (path === '-' && json === true) {
      throw new BusbarError('INVALID_ARGUMENT', '-w - and --json both want standard output', {
        stage: 'arguments',
        hints: ['name a file with -w, or leave out --json'],
      })
    }
    if (path === '-' && process.stdout.isTTY) {
      throw new BusbarError('INVALID_ARGUMENT', 'standard output is a terminal, and a capture is no text', {
        stage: 'arguments',
        hints: ['pipe it into Wireshark: busbar capture -w - | wireshark -k -i -', 'or name a file'],
      })
    }
    await using attached = await busOf(given, terminal)
    const { bus } = attached
    const { signal } = terminal
    const activating = bus.activate(BusCapture, { in: HOST_PARTITION, signal })
    const captures = await waiting(terminal, 'the bus to capture', activating)
    const filter = {
      ...(typeof partition === 'string' ? { partition } : {}),
      ...(typeof service === 'string' ? { service } : {}),
    }
    const running = await waiting(terminal, 'the capture to begin', captures.start(filter, { signal }))
    const sink = path === '-' ? captureOutput() : await captureFile(path, force === true)
    terminal.note(`capturing to ${path === '-' ? 'standard output' : path}; Ctrl-C ends it`)
    let counts: CaptureCounts = { pipes: 0, packets: 0, bytes: 0, dropped: 0, droppedBytes: 0 }
    const repaint = setInterval(() => terminal.status(`captured ${renderCounts(counts)}`), REPAINT)
    let ending: Wait | undefined
    const stop = (): void => {
      clearInterval(repaint)
      ending = new Wait(terminal, 'the bus to end the capture; Ctrl-C again leaves without its last packets')
      running.stop().catch(() => {})
    }
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    try {
      for await (const { data, ...known } of running.pieces()) {
        await sink.write(data)
        counts = known
      }
    } finally {
      clearInterval(repaint)
      ending?.[Symbol.dispose]()
      await sink.close().catch(() => {})
      terminal.note(`captured ${renderCounts(counts)}`)
      if (json === true) terminal.out(JSON.stringify({ schemaVersion: 1, file: path, ...counts }))
    }
    return 0
  },
}
