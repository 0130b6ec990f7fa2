import { NIL_GUID } from '../src/bytes/index.ts'
import { BusbarError } from '../src/errors/index.ts'
import type { IncomingCall, InterfaceId, RpcInterface } from '../src/rpc/index.ts'

export const ECHO: InterfaceId = { uuid: '60a15ec5-4de8-11d7-a637-005056a20182', major: 1, minor: 0 }
export const OTHER: InterfaceId = { uuid: '11111111-2222-3333-4444-555555555555', major: 2, minor: 1 }

/** Small, so that inputs reach them. */
export const LIMITS = {
  fragment: 2_048,
  request: 6_000,
  response: 6_000,
  reassembly: 9_000,
  refused: 20_000,
  calls: 4,
  contexts: 3,
  unsent: 8_000,
  backlog: 20_000,
  linger: 1_000,
  cancelGrace: 2_000,
} as const

interface Waiting {
  readonly call: IncomingCall
  readonly resolve: (stub: Uint8Array) => void
  readonly reject: (reason: unknown) => void
}

/** Answers by opnum: 0 echoes, 1 throws, 2 waits for `release`, 3 tells the object, 4 echoes a little later. */
export class Echo implements RpcInterface {
  readonly id: InterfaceId = ECHO
  readonly opnums = 5
  /** Every call that was dispatched, as text. */
  readonly seen: string[] = []
  #waiting: Waiting[] = []

  get waiting(): number {
    return this.#waiting.length
  }

  dispatch(call: IncomingCall): Uint8Array | Promise<Uint8Array> {
    const { opnum, object, stub, little } = call
    this.seen.push(`${opnum} ${object ?? ''} ${little} ${Buffer.from(stub).toString('hex')}`)
    switch (opnum) {
      case 0:
        return stub
      case 1:
        throw new BusbarError('FAULT', 'as asked')
      case 2:
        return new Promise((resolve, reject) => this.#waiting.push({ call, resolve, reject }))
      case 3:
        return new TextEncoder().encode(object ?? NIL_GUID)
      default:
        return Promise.resolve(stub)
    }
  }

  /** Answers the call that waits at `index`: with its stub, or with `size` bytes. */
  release(index = 0, size?: number): void {
    const [waiter] = this.#waiting.splice(index, 1)
    waiter?.resolve(size === undefined ? waiter.call.stub : new Uint8Array(size))
  }

  fail(index: number): void {
    const [waiter] = this.#waiting.splice(index, 1)
    waiter?.reject(new Error('as asked'))
  }

  /** Calls that wait and whose caller is there, as far as they know. */
  get wanted(): number {
    return this.#waiting.filter(({ call }) => !call.cancelled).length
  }
}

export function lookup(echo: Echo): (id: InterfaceId) => RpcInterface | undefined {
  const other: RpcInterface = { id: OTHER, opnums: echo.opnums, dispatch: (call) => echo.dispatch(call) }
  return ({ uuid, major, minor }) =>
    [echo, other].find(({ id }) => id.uuid === uuid && id.major === major && id.minor >= minor)
}
