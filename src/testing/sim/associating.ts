import { BusbarError, type ErrorCode } from '../../errors/index.ts'
import { openPipe, type Pipe } from '../../pipe/index.ts'
import { type PresentationContext, RpcAccess, RpcClient, type RpcReply } from '../../rpc/index.ts'
import { BROKEN } from './calling.ts'
import { CountedAbort } from './counted-abort.ts'
import type { Op, RequestPlan } from './plan.ts'
import type { Program } from './program.ts'
import { type BindMask, KEEP_ON_ORPHAN, MaskedLink } from './rpc-middle.ts'
import { RPC_CLIENT_LIMITS, RPC_ECHO, RPC_HEAD_BYTES, RPC_OPERATIONS, RPC_SERVER_LIMITS, rpcStub } from './rpc-echo.ts'
import type { World } from './world.ts'

type Associate = Op & { kind: 'associate' }

/** An association group that nobody ever opened, most likely. */
const INVENTED_GROUP = 0x5eed_0001

/** Opens pipes for plain RPC, makes the requests of the plan, and checks how each one ends. */
export async function associateAsPlanned(world: World, op: Associate, from: Program, to: Program): Promise<void> {
  const { endpoint, node } = from
  if (endpoint === undefined) return world.report.note(`${node.name} has no bus to associate on`)
  const name = `${to.partition}/${to.service('rpc')}`
  const tainted = from.tainted || to.tainted
  const open = async (): Promise<Pipe | undefined> => {
    try {
      return await openPipe(endpoint, name, { wait: op.wait })
    } catch (thrown) {
      world.expectFailure(`opening ${name} for RPC`, thrown, tainted)
      return undefined
    }
  }
  const pair = `${node.id} ${to.node.id}`
  const stale = world.groups.get(pair) ?? INVENTED_GROUP
  const first = await open()
  if (first === undefined) return
  from.pipes++
  let one = new Associating(world, op, from, to, first, tainted, op.group === 'stale' ? stale : 0)
  const links = [one]
  let context = await one.bind()
  const again = context === undefined && op.group === 'stale' ? await open() : undefined
  if (again !== undefined) {
    // Whoever was refused comes again at once, as anybody would.
    one = new Associating(world, op, from, to, again, tainted, 0)
    links.push(one)
    context = await one.bind()
  }
  if (context !== undefined) {
    const { group } = one
    world.groups.set(pair, group)
    world.killCaller(op, from)
    for (let more = 1; more < op.links; more++) {
      const second = await open()
      if (second === undefined) break
      const other = new Associating(world, op, from, to, second, tainted, group)
      links.push(other)
      const joined = await other.bind()
      if (joined !== undefined) world.report.sometimes('a second link joined an association group')
    }
    const usable = links.filter((link) => link.bound)
    await Promise.all(op.requests.map(async (plan, at) => usable[at % usable.length]?.call(plan)))
  }
  for (const link of links) await link.end()
  if (node === from.node) from.pipes--
}

/** The calling side of one association. */
class Associating {
  readonly #world: World
  readonly #from: Program
  readonly #to: Program
  readonly #caller: { readonly partition: string; readonly epoch: number }
  readonly #tainted: boolean
  readonly #group: number
  readonly #mask: BindMask | undefined
  readonly #client: RpcClient
  readonly #over: Promise<void>
  #context: PresentationContext | undefined
  #reason: BusbarError | undefined
  #closed = false

  /** Takes the pipe. */
  constructor(world: World, op: Associate, from: Program, to: Program, pipe: Pipe, tainted: boolean, group: number) {
    this.#world = world
    this.#from = from
    this.#to = to
    this.#tainted = tainted
    this.#group = group
    this.#caller = from.endpoint?.identity ?? { partition: from.partition, epoch: 0 }
    const { env } = from.node
    const link = op.mask === undefined ? pipe : new MaskedLink(pipe, op.mask)
    this.#mask = op.mask
    this.#client = new RpcClient(new RpcAccess(link), { env, limits: RPC_CLIENT_LIMITS, group })
    world.associations.push({ side: this.#client, node: from.node })
    world.memory.association(from.node, this.#client)
    this.#over = this.#client.closed.then((reason) => {
      this.#closed = true
      this.#reason = reason
      world.report.note(`association of ${from.node.name} over: ${reason?.code ?? 'in order'}`)
    })
    const { closeAfter } = op
    if (closeAfter !== undefined) {
      void from.node.sleep(closeAfter).then(() => this.#client.close(new BusbarError('RESET', 'as planned')))
    }
  }

  get group(): number {
    return this.#client.inspect().group
  }

  get bound(): boolean {
    return this.#context !== undefined
  }

  async bind(): Promise<PresentationContext | undefined> {
    const { report } = this.#world
    try {
      this.#context = await this.#client.bind(RPC_ECHO)
      const joined = this.#group === 0 || this.group === this.#group || this.#tainted
      report.check(joined, 'I2', () => `wanted association group ${this.#group} and came into ${this.group}`)
    } catch (thrown) {
      const limit = this.#world.cutOff.has(this.#caller.partition) ? (['LIMIT'] as const) : []
      const code = this.#failed('binding', thrown, this.#group === 0 ? limit : ['DENIED', 'PROTOCOL', ...limit])
      // The second where the answer is not read in time.
      if (code === 'DENIED' || code === 'PROTOCOL') report.sometimes('unknown association group refused')
    }
    return this.#context
  }

  async call(plan: RequestPlan): Promise<void> {
    const context = this.#context
    if (context === undefined) return
    const { node } = this.#from
    await node.sleep(plan.after)
    const { calls, report } = this.#world
    const abort = new CountedAbort()
    const call = calls.add(this.#caller, this.#closed)
    call.forgotten = () => {
      const { state, calls: counts } = this.#client.inspect()
      return abort.signal.aborted && state === 'bound' && counts.cancelled === 0
    }
    const targetBefore = this.#to.attachments
    let over = false
    let crossed = false
    const { multiplexed, calls: before } = this.#client.inspect()
    if (before.pending > 0 && !multiplexed) report.sometimes('a call waited for the one before it')
    // Every mask takes out that fragments may mix.
    const long = this.#mask !== undefined && plan.size > RPC_SERVER_LIMITS.fragment
    if (before.pending > 0 && multiplexed && long)
      report.sometimes('a request in fragments that may not mix with others')
    if (plan.cancelAfter !== undefined) {
      void node.sleep(plan.cancelAfter).then(() => {
        if (over) return
        crossed = call.answered
        abort.abort()
      })
    }
    const stub = rpcStub(call.id, plan.wait, plan.size)
    const late = (reply: RpcReply): void => {
      this.#compare(call.id, reply, stub)
      if (crossed) report.sometimes('a cancel crossed the reply')
    }
    const options = plan.cancelAfter === undefined ? {} : { signal: abort.signal, late }
    const what = `call ${call.id} ${plan.operation}`
    try {
      const reply = await this.#client.call(context, RPC_OPERATIONS.indexOf(plan.operation), stub.slice(), options)
      this.#compare(call.id, reply, stub)
      const once = this.#tainted || call.invoked === 1
      report.check(once, 'I3', () => `${what} gave a value, ${call.invoked} components saw it`)
      report.note(`${what}: done`)
    } catch (thrown) {
      // Of a peer that takes one call at a time and ends with an orphaned one, the link is closed for the sake of those that wait.
      const { features = 0xff, multiplexing = true } = this.#mask ?? {}
      const gaveUp = !multiplexing && (features & KEEP_ON_ORPHAN) === 0
      const tooLarge = RPC_HEAD_BYTES + plan.size > RPC_SERVER_LIMITS.request
      const code = this.#failed(what, thrown, [
        'BUSY',
        ...(plan.cancelAfter === undefined && !gaveUp ? [] : (['CANCELLED'] as const)),
        ...(tooLarge ? (['DENIED'] as const) : []),
        ...(plan.operation === 'grow' ? (['LIMIT'] as const) : []),
      ])
      // What is refused before dispatch has not run, and says so.
      const refused = code === 'BUSY' || code === 'DENIED'
      report.check(!refused || call.invoked === 0 || this.#tainted, 'I3', () => `${what} was refused, and ran`)
      if (call.invoked > 0 && targetBefore < this.#to.attachments) report.sometimes('epoch replaced during a call')
      if (code === 'DENIED') report.sometimes('request refused as too large')
      if (code === 'BUSY' && plan.size < 1_000) report.sometimes('too many calls on one association')
      if (code === 'LIMIT') report.sometimes('response too large to be sent')
    } finally {
      over = true
    }
    report.check(abort.listeners === 0, 'I9', () => `${what} left ${abort.listeners} listeners on its signal`)
  }

  async end(): Promise<void> {
    this.#client.close()
    await this.#over
  }

  #compare(id: number, { stub }: RpcReply, sent: Uint8Array): void {
    const same = stub.length === sent.length && stub.every((byte, at) => byte === sent[at])
    this.#world.report.check(same || this.#tainted, 'I1', () => `call ${id} gave the answer of another one`)
  }

  #failed(what: string, thrown: unknown, planned: readonly ErrorCode[]): ErrorCode {
    const { report } = this.#world
    const { code, message } = BusbarError.from(thrown)
    report.note(`${what} failed: ${code} ${message}`)
    const broke = BROKEN.has(code) || code === this.#reason?.code
    const known = planned.includes(code) || broke
    report.check(known || this.#tainted, 'I2', () => `${what} failed with ${code}: ${message}`)
    if (broke && !this.#tainted) {
      // No pipe breaks for one call alone.
      this.#world.objects.audit(() => {
        report.check(this.#closed, 'I2', () => `${what} failed with ${code}, and the pipe is not over`)
      })
    }
    return code
  }
}
