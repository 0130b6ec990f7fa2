import { NIL_GUID } from '../../bytes/index.ts'
import type { Env, Timer } from '../../link/index.ts'
import { type MemoryLink, memoryPair } from '../../link/index.ts'
import { RpcAccess } from '../access.ts'
import type { RpcLimits } from '../limits.ts'
import type { InterfaceId } from '../pdu/syntax.ts'
import { RpcClient } from './client.ts'
import type { IncomingCall, RpcInterface } from './incoming-call.ts'
import { RpcServer } from './server.ts'

export const ECHO: InterfaceId = { uuid: '60a15ec5-4de8-11d7-a637-005056a20182', major: 1, minor: 0 }
export const OTHER: InterfaceId = { uuid: '11111111-2222-3333-4444-555555555555', major: 2, minor: 1 }
export const OBJECT = 'a0b1c2d3-e4f5-0617-2839-4a5b6c7d8e9f'

/** Time that stands still until it is moved, and the timers in it. */
export class TestEnv implements Env {
  #now = 0
  #timers: { at: number; run: () => void }[] = []

  now(): number {
    return this.#now
  }

  get timers(): number {
    return this.#timers.length
  }

  timer(delay: number, run: () => void): Timer {
    const timer = { at: this.#now + delay, run }
    this.#timers.push(timer)
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((each) => each !== timer)
      },
    }
  }

  advance(by: number): void {
    this.#now += by
    const due = this.#timers.filter((each) => each.at <= this.#now)
    this.#timers = this.#timers.filter((each) => each.at > this.#now)
    for (const each of due) each.run()
  }

  random(into: Uint8Array): Uint8Array {
    return into.fill(0x77)
  }

  post(run: () => void): void {
    setImmediate(run)
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
  links: [MemoryLink, MemoryLink]
}

export function world(clientLimits: Partial<RpcLimits> = {}, serverLimits: Partial<RpcLimits> = {}): World {
  const env = new TestEnv()
  const links = memoryPair()
  const { server, echo } = serve(env, links[1], serverLimits)
  const client = new RpcClient(new RpcAccess(links[0]), { env, limits: clientLimits })
  return { env, echo, client, server, links }
}

export function serve(
  env: TestEnv,
  link: MemoryLink,
  limits: Partial<RpcLimits> = {},
): { server: RpcServer; echo: Echo } {
  const echo = new Echo()
  const other = new Echo(OTHER)
  const known = [echo, other]
  const server = new RpcServer(new RpcAccess(link), {
    env,
    limits,
    lookup: (id) =>
      known.find((each) => each.id.uuid === id.uuid && each.id.major === id.major && each.id.minor >= id.minor),
  })
  return { server, echo }
}

/** Lets everything that is ready happen. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
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
