import { NIL_GUID } from '../../bytes/index.ts'
import { type ByteLink, memoryPair } from '../../link/index.ts'
import { BusbarError } from '../../errors/index.ts'
import { type FencedLink, RingPairs, StillEnv } from '../../testing/index.ts'
import { RpcAccess } from '../access.ts'
import type { RpcLimits } from '../limits.ts'
import { type ContextOffer, encodeBind, encodeBindAck, RESULT } from '../pdu/bind.ts'
import { writeFault, writeRequest, writeResponse } from '../pdu/call.ts'
import { PduCutter } from '../pdu/cutter.ts'
import { PFC, pduBytes, type PduHeader, WHOLE } from '../pdu/header.ts'
import { type InterfaceId, NDR20, NO_SYNTAX } from '../pdu/syntax.ts'
import { pduName } from '../pdu/table.ts'
import { RpcClient } from './client.ts'
import type { AssociationGroups } from './groups.ts'
import type { IncomingCall, RpcInterface } from './incoming-call.ts'
import { RpcServer } from './server.ts'

/** `rings.test.ts` runs tests of others once more. */
const rings = process.env['BUSBAR_TEST_RINGS'] === 'on' ? new RingPairs() : undefined
/** Macrotasks until everything that is ready has happened: to be woken takes some on rings. */
const TURNS = rings === undefined ? 1 : 30

/** Two ends of a link, as these tests have them. */
export function linkPair(): [FencedLink, FencedLink] {
  return rings?.pair() ?? memoryPair()
}

/** Closes rings that tests left open; how many links there were. */
export function closeRings(): number {
  return rings?.close() ?? 0
}

export const ECHO: InterfaceId = { uuid: '60a15ec5-4de8-11d7-a637-005056a20182', major: 1, minor: 0 }
export const OTHER: InterfaceId = { uuid: '11111111-2222-3333-4444-555555555555', major: 2, minor: 1 }
export const OBJECT = 'a0b1c2d3-e4f5-0617-2839-4a5b6c7d8e9f'

/** Time that stands still until it is moved, and randomness that is always the same byte. */
export class TestEnv extends StillEnv {
  override random(into: Uint8Array): Uint8Array {
    return into.fill(0x77)
  }
}

/** Answers by opnum: 0 echoes, 1 throws what `failure` says, 2 waits for `release`, 3 tells the object, 4 echoes later. */
export class Echo implements RpcInterface {
  readonly id: InterfaceId
  readonly opnums = 5
  readonly calls: IncomingCall[] = []
  failure: unknown = new Error('no')
  #waiting: { call: IncomingCall; resolve: (stub: Uint8Array) => void; reject: (reason: unknown) => void }[] = []

  constructor(id: InterfaceId = ECHO) {
    this.id = id
  }

  get waiting(): number {
    return this.#waiting.length
  }

  dispatch(call: IncomingCall): Uint8Array | Promise<Uint8Array> {
    this.calls.push(call)
    switch (call.opnum) {
      case 0:
        return call.stub
      case 1:
        throw this.failure
      case 2:
        return new Promise((resolve, reject) => this.#waiting.push({ call, resolve, reject }))
      case 3:
        return new TextEncoder().encode(call.object ?? NIL_GUID)
      default:
        return Promise.resolve(call.stub)
    }
  }

  release(index = 0): void {
    const [waiter] = this.#waiting.splice(index, 1)
    waiter?.resolve(waiter.call.stub)
  }

  fail(reason: unknown): void {
    this.#waiting.shift()?.reject(reason)
  }
}

export interface World {
  env: TestEnv
  echo: Echo
  client: RpcClient
  server: RpcServer
  /** The client's and the server's end of the link. */
  links: [FencedLink, FencedLink]
}

export function world(clientLimits: Partial<RpcLimits> = {}, serverLimits: Partial<RpcLimits> = {}): World {
  const env = new TestEnv()
  const links = linkPair()
  const { server, echo } = serve(env, links[1], serverLimits)
  const client = new RpcClient(new RpcAccess(links[0]), { env, limits: clientLimits })
  return { env, echo, client, server, links }
}

export function serve(
  env: TestEnv,
  link: ByteLink,
  limits: Partial<RpcLimits> = {},
  groups?: AssociationGroups,
): { server: RpcServer; echo: Echo } {
  const echo = new Echo()
  const other = new Echo(OTHER)
  const known = [echo, other]
  const server = new RpcServer(new RpcAccess(link), {
    env,
    limits,
    ...(groups === undefined ? {} : { groups }),
    lookup: (id) =>
      known.find((each) => each.id.uuid === id.uuid && each.id.major === id.major && each.id.minor >= id.minor),
  })
  return { server, echo }
}

/** Lets everything that is ready happen. */
export async function settle(): Promise<void> {
  for (let i = 0; i < TURNS; i++) await new Promise<void>((resolve) => setImmediate(resolve))
}

export function bytes(length: number, seed = 1): Uint8Array {
  const all = new Uint8Array(length)
  let state = seed
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    all[i] = state >>> 24
  }
  return all
}

export interface RawPdu {
  header: PduHeader
  bytes: Uint8Array
}

/** A peer that writes and reads bytes by hand. */
export class RawPeer {
  readonly link: FencedLink
  readonly pdus: RawPdu[] = []
  /** Why the link closed; `'ended'` when the other side only ended. */
  outcome: BusbarError | 'ended' | undefined
  readonly #cutter = new PduCutter(65_535, (header, view, at) => {
    this.pdus.push({ header: { ...header }, bytes: pduBytes(header, view, at).slice() })
  })

  constructor(link: FencedLink) {
    this.link = link
    void this.#run()
  }

  /** Sends and lets the other side work. */
  async send(...pdus: Uint8Array[]): Promise<void> {
    for (const each of pdus) void this.link.write(each)
    await settle()
  }

  /** Takes what came, as names with the number that matters. */
  take(): string[] {
    return this.pdus.splice(0).map(({ header, bytes: pdu }) => {
      const view = new DataView(pdu.buffer)
      const name = pduName(header.type)
      if (name === 'fault') {
        const executed = (header.flags & PFC.DID_NOT_EXECUTE) === 0 ? '' : ' not executed'
        return `fault ${header.callId} ${view.getUint32(24, true).toString(16)}${executed}`
      }
      if (name === 'bind_nak') return `bind_nak ${view.getUint16(16, true)}`
      return `${name} ${header.callId}`
    })
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        const chunk = await this.link.read()
        if (chunk === undefined) break
        this.#cutter.push(chunk)
      }
      this.outcome = 'ended'
    } catch (thrown) {
      this.outcome = BusbarError.from(thrown)
    }
  }
}

export function request(
  callId: number,
  opnum: number,
  stub: Uint8Array = new Uint8Array(0),
  flags: number = WHOLE,
  contextId = 0,
  little = true,
): Uint8Array {
  const pdu = new Uint8Array(24 + stub.length)
  writeRequest(new DataView(pdu.buffer), 0, flags, pdu.length, callId, stub.length, contextId, opnum, little)
  pdu.set(stub, 24)
  return pdu
}

export function response(
  callId: number,
  stub: Uint8Array = new Uint8Array(0),
  flags: number = WHOLE,
  little = true,
  hint: number = stub.length,
): Uint8Array {
  const pdu = new Uint8Array(24 + stub.length)
  writeResponse(new DataView(pdu.buffer), 0, flags, pdu.length, callId, hint, 0, little)
  pdu.set(stub, 24)
  return pdu
}

export function fault(callId: number, status: number, notExecuted = false): Uint8Array {
  const pdu = new Uint8Array(32)
  writeFault(new DataView(pdu.buffer), 0, callId, 0, status, notExecuted)
  return pdu
}

export interface BindChoice {
  flags?: number
  size?: number
  group?: number
  contexts?: ContextOffer[]
  little?: boolean
}

export const OFFER: ContextOffer = { id: 0, abstract: ECHO, transfers: [NDR20] }

export function bind(choice: BindChoice = {}, type: 11 | 14 = 11, callId = 1): Uint8Array {
  const { flags = WHOLE | PFC.CONC_MPX, size = 65_528, group = 0, contexts = [OFFER], little = true } = choice
  return encodeBind(type, flags, callId, { transmit: size, receive: size, group, contexts }, little)
}

export function ack(callId: number, flags: number = WHOLE | PFC.CONC_MPX, size = 65_528, little = true): Uint8Array {
  const results = [
    { result: RESULT.ACCEPTED, reason: 0, transfer: NDR20 },
    { result: RESULT.NEGOTIATED, reason: 2, transfer: NO_SYNTAX },
  ]
  return encodeBindAck(12, flags, callId, { transmit: size, receive: size, group: 9, results }, little)
}
