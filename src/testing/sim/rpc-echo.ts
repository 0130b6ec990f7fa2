import { AssociationGroups, type Env, type IncomingCall, type RpcLimits } from '../../rpc/index.ts'

/** The operations of the plain interface that every program serves; a request begins with the number of its call. */
export const RPC_OPERATIONS = ['echo', 'wait', 'deaf', 'grow'] as const

export type RpcOperation = (typeof RPC_OPERATIONS)[number]

export const RPC_ECHO = { uuid: 'b5b6a1c2-1d2e-4f30-8a4b-5c6d7e8f9a0b', major: 1, minor: 0 } as const

/** Number of the call and one parameter in front of what is echoed, `bytes`. */
export const RPC_HEAD_BYTES = 8

/** Small, so that plans reach them. */
export const RPC_SERVER_LIMITS: Pick<
  RpcLimits,
  | 'fragment'
  | 'request'
  | 'response'
  | 'reassembly'
  | 'calls'
  | 'linger'
  | 'unsent'
  | 'callerLinks'
  | 'callerUnsent'
  | 'putOff'
  | 'putOffMost'
> = {
  fragment: 2_048,
  request: 12_000,
  response: 12_000,
  reassembly: 20_000,
  calls: 4,
  linger: 500,
  unsent: 16_000,
  callerLinks: 3,
  callerUnsent: 3_000,
  putOff: 50,
  putOffMost: 400,
}
/** A client may ask for more than the server gives. */
export const RPC_CLIENT_LIMITS: Pick<
  RpcLimits,
  'fragment' | 'request' | 'response' | 'reassembly' | 'calls' | 'cancelGrace'
> = {
  fragment: 2_048,
  request: 40_000,
  response: 12_000,
  reassembly: 20_000,
  calls: 8,
  cancelGrace: 150,
}

/** What one call is, as the component finds it in the stub. */
export function readHead({ stub, little }: Pick<IncomingCall, 'stub' | 'little'>): { call: number; value: number } {
  const view = new DataView(stub.buffer, stub.byteOffset)
  return { call: view.getUint32(0, little), value: view.getUint32(4, little) }
}

/** The request of one call: its head, and bytes that tell calls apart. */
export function rpcStub(call: number, value: number, size: number): Uint8Array {
  const stub = new Uint8Array(RPC_HEAD_BYTES + size)
  const view = new DataView(stub.buffer)
  view.setUint32(0, call, true)
  view.setUint32(4, value, true)
  for (let at = 0; at < size; at++) stub[RPC_HEAD_BYTES + at] = (at * 7 + call) & 255
  return stub
}

/** The association groups of one caller as one link uses them, under observation. */
export class WatchedGroups extends AssociationGroups {
  readonly #of: AssociationGroups
  /** The first fragments of a request are in, and nothing was decided about it yet. */
  arriving = false
  /** The link wanted to join a group that there is not. */
  unknown = false
  /** A request found no memory left. */
  full = false

  constructor(env: Env, of: AssociationGroups) {
    super(env)
    this.#of = of
  }

  override get size(): number {
    return this.#of.size
  }

  override get held(): number {
    return this.#of.held
  }

  override hold(bytes: number): boolean {
    const held = this.#of.hold(bytes)
    this.arriving = held
    if (!held) this.full = true
    return held
  }

  override release(bytes: number): void {
    this.#of.release(bytes)
  }

  override open(): number {
    return this.#of.open()
  }

  override join(id: number): boolean {
    const joined = this.#of.join(id)
    if (!joined) this.unknown = true
    return joined
  }

  override leave(id: number): void {
    this.#of.leave(id)
  }
}
