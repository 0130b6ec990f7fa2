import assert from 'node:assert/strict'
import type { BusbarError } from '../errors/index.ts'
import {
  type Client,
  type Contract,
  contract,
  type Implementation,
  method,
  type Method,
  type RefType,
  RpcAccess,
  type StreamType,
  t,
  type Type,
} from '../rpc/index.ts'
import { type MemoryLink, memoryPair } from '../testing/index.ts'
import { ClassTable } from './classes.ts'
import { ObjectClient } from './client.ts'
import { settle, type World, world } from './harness.test.ts'
import { ObjectServer } from './server.ts'

type Nothing = Record<never, never>
type LinkMethods = {
  readonly next: Method<{ readonly how: Type<string> }, RefType<Implementation<Link>, Client<Link>>>
  readonly maybe: Method<
    { readonly how: Type<string> },
    RefType<Implementation<Link> | undefined, Client<Link> | undefined>
  >
  readonly name: Method<Nothing, Type<string>>
  readonly note: Method<{ readonly text: Type<string>; readonly data: Type<Uint8Array> }, Type<number>>
  readonly items: Method<{ readonly count: Type<number> }, StreamType<string, string>>
  readonly lend: Method<{ readonly link: RefType<Implementation<Link>, Client<Link>> }, Type<string>>
  readonly back: Method<Nothing, RefType<Implementation<Link>, Client<Link>>>
}
export type Link = Contract<LinkMethods>

const self = t.ref((): Link => Link)
/** An object that gives others of its kind. */
export const Link: Link = contract(
  'test.Link',
  { version: '1.0' },
  {
    next: method({ how: t.string }, self),
    maybe: method({ how: t.string }, t.optional(self)),
    name: method({}, t.string),
    note: method({ text: t.string, data: t.bytes }, t.uint32),
    items: method({ count: t.uint32 }, t.stream(t.string)),
    lend: method({ link: self }, t.string),
    back: method({}, self),
  },
)

/** What the links of one test have done, and what they wait for. */
export class Chain {
  readonly served: string[] = []
  readonly disposed: string[] = []
  live = 0
  /** Lets go the calls that wait, in turn. */
  readonly go: (() => void)[] = []
  given: Client<Link> | undefined
}

export class LinkComponent {
  readonly #chain: Chain
  readonly #name: string

  constructor(chain: Chain, name = 'root') {
    this.#chain = chain
    this.#name = name
    chain.live++
  }

  next({ how }: { how: string }): LinkComponent | Promise<LinkComponent> {
    this.#chain.served.push(`${this.#name} next ${how}`)
    if (how === 'fail') throw Object.assign(new Error('no further'), { code: 'EEND' })
    const make = (): LinkComponent => new LinkComponent(this.#chain, `${this.#name}/${how}`)
    if (how !== 'wait') return make()
    return new Promise((resolve) => this.#chain.go.push(() => resolve(make())))
  }

  maybe({ how }: { how: string }): LinkComponent | undefined {
    return how === 'none' ? undefined : new LinkComponent(this.#chain, how)
  }

  name(): string {
    this.#chain.served.push(`${this.#name} name`)
    return this.#name
  }

  note({ text, data }: { text: string; data: Uint8Array }): number {
    this.#chain.served.push(text)
    return data.reduce((sum, byte) => sum + byte, 0)
  }

  items({ count }: { count: number }): string[] {
    this.#chain.served.push(`${this.#name} items`)
    return Array.from({ length: count }, (_, i) => `${this.#name} ${i}`)
  }

  lend({ link }: { link: Client<Link> }): string {
    this.#chain.given?.[Symbol.dispose]()
    this.#chain.given = link
    return this.#name
  }

  back(): Client<Link> {
    assert.ok(this.#chain.given !== undefined)
    return this.#chain.given
  }

  [Symbol.dispose](): void {
    this.#chain.live--
    this.#chain.disposed.push(this.#name)
  }
}

export interface Chained extends World {
  readonly chain: Chain
  readonly root: Client<Link>
}

/** A world with an activated link in it, through which a call was made unless it is only `activated`. One that is not pipelined has somebody in between who takes the offer out of the bind. */
export async function chained(
  settings: Parameters<typeof world>[0] & { readonly pipelined?: boolean; readonly activated?: boolean } = {},
): Promise<Chained> {
  const chain = new Chain()
  const classes = new ClassTable()
  classes.offer(Link, () => new LinkComponent(chain))
  const { pipelined = true, activated = false, ...others } = settings
  const made = pipelined ? world({ classes, ...others }) : withoutPipelining(world({ classes, ...others }))
  const root = await made.client.activate(Link)
  // Its interface is agreed on from now on, whoever the peer is.
  if (!activated) await root.name()
  chain.served.splice(0)
  return { ...made, chain, root }
}

/** The same with another client and another server, which do not agree on pipelining. */
function withoutPipelining(all: World): World {
  all.client.close()
  const [near, nearMiddle] = memoryPair()
  const [farMiddle, far] = memoryPair()
  relay(nearMiddle, farMiddle, takeOut).catch((thrown: BusbarError) => farMiddle.close(thrown))
  relay(farMiddle, nearMiddle, (bytes) => bytes).catch((thrown: BusbarError) => nearMiddle.close(thrown))
  const { env, classes, channels } = all
  const caller = { partition: 'web', epoch: 3 }
  const server = new ObjectServer(new RpcAccess(far), { env, classes, caller, returns: channels })
  const client = new ObjectClient(new RpcAccess(near), {
    env,
    returns: {
      peer: { partition: 'storage', epoch: 0 },
      open: async (token) => {
        const pair = memoryPair()
        channels.claim(token, caller, new RpcAccess(pair[1]))
        return new RpcAccess(pair[0])
      },
    },
  })
  return { ...all, client, server, links: [near, far] }
}

async function relay(from: MemoryLink, to: MemoryLink, change: (bytes: Uint8Array) => Uint8Array): Promise<void> {
  for (let chunk = await from.read(); chunk !== undefined; chunk = await from.read()) await to.write(change(chunk))
  await to.end()
}

/** The second half of the pseudo transfer syntax that offers features begins with them (MS-RPCE 2.2.2.14). */
const FEATURES = Buffer.from('2c1cb76c12984045', 'hex')

function takeOut(bytes: Uint8Array): Uint8Array {
  const at = Buffer.from(bytes).indexOf(FEATURES)
  if (at < 0) return bytes
  const changed = bytes.slice()
  assert.equal(changed[at + 8], 0xc2)
  changed[at + 8] = 0x82
  return changed
}

/** Requests that the server has taken so far. */
export function taken({ server }: Pick<World, 'server'>): number {
  return server.inspect().rpc.calls.taken
}

/** Keeps back what the server sends while `calls` are made, until they have all reached it; gives how many those were. */
export async function unanswered(all: Pick<World, 'server' | 'links'>, calls: () => void): Promise<number> {
  await settle()
  const before = taken(all)
  all.links[1].fence()
  calls()
  await settle()
  return taken(all) - before
}
