import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import net from 'node:net'
import { BusbarError, type ErrorCode } from '../../errors/index.ts'
import type { ByteLink } from '../../link/index.ts'
import { socketLink } from '../socket/link.ts'
import { systemCode } from '../socket/reason.ts'
import { gatheringSocket } from './gather.ts'

/** The part of libuv's stream handle that opening a device takes. */
interface StreamHandle {
  /** Takes the descriptor; 0, or a negative error number. */
  open(fd: number): number
  close(): void
}
type StreamHandleClass = new (type: number) => StreamHandle

/** The kind of pipe handle that reads and writes. Fixed by Node (`src/pipe_wrap.h`). */
const SOCKET_TYPE = 0

const OPEN_CODES: ReadonlyMap<string, ErrorCode> = new Map([
  ['EBUSY', 'BUSY'],
  ['EACCES', 'DENIED'],
  ['EPERM', 'DENIED'],
])

/**
 * Opens character devices that can be polled (virtio-serial ports, terminals) as streams of bytes. The end of such a stream means that the
 * other side is gone for now.
 *
 * Node gives no public way to poll a device: `net.Socket` refuses the descriptor, and reading on the thread pool or in a worker blocks a
 * thread that nothing can wake, so that the process cannot exit (docs/decisions/0007). So the libuv handle below a Unix socket is used.
 */
export class DeviceOpener {
  readonly #handleClass: StreamHandleClass = streamHandleClass()

  /** Throws `BUSY` when another program has it open, `DENIED`, `INVALID_ARGUMENT` (no device), or `UNAVAILABLE`. */
  open(path: string): ByteLink {
    const fd = open(path)
    try {
      const kind = fstatSync(fd)
      if (!kind.isCharacterDevice() && !kind.isFIFO()) {
        throw new BusbarError('INVALID_ARGUMENT', `${path} is no character device`, { stage: 'open' })
      }
      const handle = new this.#handleClass(SOCKET_TYPE)
      const failed = handle.open(fd)
      if (failed !== 0) {
        handle.close()
        throw new BusbarError('UNAVAILABLE', `${path} cannot be polled (error ${failed})`, { stage: 'open' })
      }
      return socketLink(gatheringSocket(handle))
    } catch (thrown) {
      closeSync(fd)
      throw thrown
    }
  }
}

function open(path: string): number {
  try {
    return openSync(path, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch (thrown) {
    const system = systemCode(thrown) ?? 'an error'
    const code = OPEN_CODES.get(system) ?? 'UNAVAILABLE'
    throw new BusbarError(code, `${path} cannot be opened (${system})`, { cause: thrown, stage: 'open' })
  }
}

/** The class of the handle that a Unix socket has below it; a socket that begins to connect has one at once. */
function streamHandleClass(): StreamHandleClass {
  const probe = net.connect({ path: '/dev/null/nobody' })
  probe.on('error', () => {})
  const handle: unknown = Reflect.get(probe, '_handle')
  probe.destroy()
  const found: unknown = typeof handle === 'object' && handle !== null ? handle.constructor : undefined
  if (!isStreamHandleClass(found)) {
    throw new BusbarError('UNAVAILABLE', 'this version of Node has no stream handle that a device can be opened with', {
      stage: 'open',
      hints: ['Use Node 20 to 24, or join the device to a Unix socket with socat.'],
    })
  }
  return found
}

function isStreamHandleClass(found: unknown): found is StreamHandleClass {
  return typeof found === 'function' && typeof Reflect.get(Object(found.prototype), 'open') === 'function'
}
