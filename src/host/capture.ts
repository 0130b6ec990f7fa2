import type { Broker } from '../bus/index.ts'
import { Capture, type CaptureCounts, type CaptureFilter } from '../capture/index.ts'
import { BusbarError } from '../errors/index.ts'
import { contract, type Implementation, method, t } from '../rpc/index.ts'
import { HOST_PARTITION } from '../services/index.ts'

/** A piece of the file, with the counts up to there. */
const Piece = t.struct({
  data: t.bytes,
  pipes: t.uint53,
  packets: t.uint53,
  bytes: t.uint53,
  dropped: t.uint53,
  droppedBytes: t.uint53,
})

/** A capture that runs, until it is stopped or let go of. */
export const RunningCapture = contract(
  'busbar.RunningCapture',
  { version: '1.0' },
  {
    /** The file, from its beginning to what follows `stop`. Once. */
    pieces: method({}, t.stream(Piece)),
    stop: method({}, t.void),
  },
)

/** Captures for the operator, who alone may: a capture shows everything that crosses the bus. */
export const BusCapture = contract(
  'busbar.Capture',
  { version: '1.0' },
  { start: method({ partition: t.optional(t.string), service: t.optional(t.string) }, t.ref(RunningCapture)) },
)

/** Whoever keeps a capture reads it to its end; what is read too late is left out of it and counted. */
export interface BusCaptureFile {
  /** The next piece of the pcapng file; `undefined` after `stop`, when everything was read. One read at a time. */
  read(): Uint8Array | undefined | Promise<Uint8Array | undefined>
  readonly counts: CaptureCounts
  /** Ends the file. Idempotent. */
  stop(): void
}

/** Captures what crosses a bus from now on, but not captures on their way to the operator. */
export function startCapture(broker: Broker, filter: CaptureFilter): BusCaptureFile {
  const capture = new Capture({ now, application: 'Busbar', filter })
  const leave = broker.follow((pipe) => {
    if (pipe.partition === HOST_PARTITION && pipe.service === BusCapture.name) return undefined
    return capture.opened({ ...pipe, packets: undefined })
  })
  return {
    read: () => capture.read(),
    get counts() {
      return capture.counts
    },
    stop() {
      leave()
      capture.finish()
    },
  }
}

/** What the host offers as `busbar.Capture`. */
export function captureService(broker: Broker): Implementation<typeof BusCapture> {
  return {
    start({ partition, service }, { caller }) {
      if (caller.partition !== HOST_PARTITION) {
        throw new BusbarError('DENIED', `only the operator may capture, and "${caller.partition}" is not`)
      }
      return runningCapture(startCapture(broker, { partition, service }))
    },
  }
}

function runningCapture(file: BusCaptureFile): Implementation<typeof RunningCapture> & Disposable {
  const stop = (): void => file.stop()
  return {
    stop,
    async *pieces(_args, { signal }) {
      signal.addEventListener('abort', stop)
      for (let data = await file.read(); data !== undefined; data = await file.read()) yield { data, ...file.counts }
    },
    [Symbol.dispose]: stop,
  }
}

/** Microseconds since 1970, by a clock that does not jump. */
function now(): number {
  return Math.floor((performance.timeOrigin + performance.now()) * 1000)
}
