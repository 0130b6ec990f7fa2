import { ObjectClient } from '../../component/index.ts'
import { BusbarError, type ErrorCode } from '../../errors/index.ts'
import { openPipe, type Pipe } from '../../pipe/index.ts'
import { type CallOptions, type Client, RpcAccess } from '../../rpc/index.ts'
import { Desk } from './call-contract.ts'
import type { CallModel } from './call-model.ts'
import { CountedAbort } from './counted-abort.ts'
import type { CallPlan, Op } from './plan.ts'
import type { Program } from './program.ts'
import type { World } from './world.ts'

/** What a call may fail with when its pipe is over, beside what the component throws and what the caller asked for. */
export const BROKEN: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'PEER_DIED',
  'LINK_LOST',
  'RESET',
  'CLOSED',
  'STALE_EPOCH',
  'RESCINDED',
])

/** Opens a pipe for calls, makes the calls of the plan, and checks how each one ends. */
export async function callAsPlanned(
  world: World,
  op: Op & { kind: 'call' },
  from: Program,
  to: Program,
): Promise<void> {
  const { endpoint, node } = from
  if (endpoint === undefined) return world.report.note(`${node.name} has no bus to call on`)
  const name = `${to.partition}/${to.service('calls')}`
  const tainted = from.tainted || to.tainted
  let pipe: Pipe
  try {
    pipe = await openPipe(endpoint, name, { wait: op.wait })
  } catch (thrown) {
    const { code } = world.expectFailure(`opening ${name} for calls`, thrown, tainted)
    return world.report.payload(op, () => code)
  }
  from.pipes++
  await new Calling(world, op, from, to, pipe, tainted).run()
  if (node === from.node) from.pipes--
}

/** The calling side of one pipe. */
class Calling {
  readonly #world: World
  readonly #op: Op & { kind: 'call' }
  readonly #from: Program
  readonly #to: Program
  readonly #caller: CallModel['caller']
  readonly #tainted: boolean
  readonly #client: ObjectClient
  #reason: BusbarError | undefined
  #closed = false

  constructor(world: World, op: Op & { kind: 'call' }, from: Program, to: Program, pipe: Pipe, tainted: boolean) {
    this.#world = world
    this.#op = op
    this.#from = from
    this.#to = to
    this.#tainted = tainted
    this.#caller = from.endpoint?.identity ?? { partition: from.partition, epoch: 0 }
    this.#client = new ObjectClient(new RpcAccess(pipe), { env: from.node.env })
    world.clients.push({ client: this.#client, node: from.node })
    world.memory.component(pipe.name, from.node, this.#client)
  }

  async run(): Promise<void> {
    const { report } = this.#world
    const client = this.#client
    const over = client.closed.then((reason) => {
      this.#closed = true
      this.#reason = reason
      report.note(`calls of ${this.#from.node.name} over: ${reason?.code ?? 'in order'}`)
    })
    const { closeAfter } = this.#op
    if (closeAfter !== undefined) {
      void this.#from.node.sleep(closeAfter).then(() => client.close(new BusbarError('RESET', 'as planned')))
    }
    let desk: Client<typeof Desk> | undefined
    try {
      desk = await client.activate(Desk)
    } catch (thrown) {
      this.#failed('activating', thrown, undefined, undefined)
    }
    if (desk !== undefined) {
      const proxy = desk
      await Promise.all(this.#op.calls.map((plan) => this.#call(proxy, plan)))
      if (this.#op.release) await this.#release(proxy)
    }
    if (client.inspect().references > 0) report.sometimes('a pipe closed over objects that were held')
    client.close()
    await over
    const view = client.inspect()
    const left = view.references + view.rpc.calls.pending + view.rpc.calls.queued
    report.check(left === 0, 'I9', () => `a closed client holds ${JSON.stringify(view)}`)
  }

  /** I8: with every proxy released, the other side holds nothing. */
  async #release(desk: Client<typeof Desk>): Promise<void> {
    await desk[Symbol.asyncDispose]()
    const { references } = this.#client.inspect()
    if (this.#closed || this.#tainted) return
    this.#world.report.sometimes('every object released while the pipe was open')
    this.#world.report.check(references === 0, 'I8', () => `${references} references are held after all were released`)
  }

  async #call(desk: Client<typeof Desk>, plan: CallPlan): Promise<void> {
    const { node } = this.#from
    await node.sleep(plan.after)
    const { calls, report } = this.#world
    const tooLate = this.#closed
    if (tooLate) report.sometimes('call on a closed pipe')
    const abort = new CountedAbort()
    const call = calls.add(this.#caller, tooLate)
    let over = false
    if (plan.cancelAfter !== undefined) {
      void node.sleep(plan.cancelAfter).then(() => {
        if (!over) abort.abort()
      })
    }
    const options = {
      ...(plan.cancelAfter === undefined ? {} : { signal: abort.signal }),
      ...(plan.deadline === undefined ? {} : { deadline: plan.deadline }),
    }
    const targetBefore = this.#to.attachments
    const rules = this.#world.policy.changes
    try {
      await this.#make(desk, plan, call, options)
      // I3: a value means that the component was called, once.
      report.check(
        this.#tainted || call.invoked === 1,
        'I3',
        () => `call ${call.id} gave a value, ${call.invoked} components saw it`,
      )
      report.note(`call ${call.id} ${plan.method}: done`)
      report.payload(this.#op, () => `${this.#op.calls.indexOf(plan)} done`)
    } catch (thrown) {
      this.#failed(`call ${call.id} ${plan.method}`, thrown, plan, call)
      if (call.invoked > 0 && targetBefore < this.#to.attachments) report.sometimes('epoch replaced during a call')
    } finally {
      over = true
    }
    if (call.invoked > 0 && rules < this.#world.policy.changes) report.sometimes('the rules changed during a call')
    report.check(abort.listeners === 0, 'I9', () => `call ${call.id} left ${abort.listeners} listeners on its signal`)
  }

  async #make(desk: Client<typeof Desk>, plan: CallPlan, call: CallModel, options: CallOptions): Promise<void> {
    switch (plan.method) {
      case 'reverse': {
        const bytes = Uint8Array.from({ length: plan.size }, (_, at) => (at * 7 + call.id) & 255)
        const answer = await desk.reverse({ call: call.id, bytes }, options)
        const same = answer.length === bytes.length && answer.every((byte, at) => byte === bytes[bytes.length - 1 - at])
        return this.#check(same, () => `call ${call.id} gave the answer of another one`)
      }
      case 'wait': {
        const answer = await desk.wait({ call: call.id, ms: plan.size }, options)
        return this.#check(answer === plan.size, () => `call ${call.id} gave the answer of another one`)
      }
      case 'fail':
        await desk.fail({ call: call.id }, options)
        return this.#check(false, () => `call ${call.id} gave a value where the component threw`)
      case 'sum':
        return this.#sum(desk, plan, call, options)
      case 'count':
        return this.#count(desk, plan, call, options)
      default:
        plan.method satisfies never
    }
  }

  async #sum(desk: Client<typeof Desk>, plan: CallPlan, call: CallModel, options: CallOptions): Promise<void> {
    const sum = await desk.sum({ call: call.id }, options)
    try {
      for (let value = 1; value <= plan.size % 5; value++) {
        const add = this.#world.calls.add(this.#caller, this.#closed)
        const total = await sum.add({ call: add.id, value })
        this.#check(total === (value * (value + 1)) / 2, () => `call ${add.id} added up to ${total}`)
      }
    } finally {
      if (plan.size % 2 === 0) await sum[Symbol.asyncDispose]()
      else if (this.#op.release) sum[Symbol.dispose]()
    }
  }

  async #count(desk: Client<typeof Desk>, plan: CallPlan, call: CallModel, options: CallOptions): Promise<void> {
    const { report } = this.#world
    let next = 0
    for await (const number of desk.count({ call: call.id, to: plan.size }, options)) {
      // I11: the items of a stream come in order.
      report.check(this.#tainted || number === next, 'I11', () => `call ${call.id}: item ${next} was ${number}`)
      next++
      if (next !== plan.takes) continue
      report.sometimes('stream left before its end')
      return
    }
    report.sometimes('stream read to its end')
    this.#check(
      next === plan.size,
      () => `call ${call.id} gave ${next} items of ${plan.size}, and then said that it was all`,
    )
  }

  #check(holds: boolean, message: () => string): void {
    this.#world.report.check(holds || this.#tainted, 'I1', message)
  }

  #failed(what: string, thrown: unknown, plan: CallPlan | undefined, call: CallModel | undefined): void {
    const { report } = this.#world
    const { code, message, remote } = BusbarError.from(thrown)
    report.payload(this.#op, () => `${plan === undefined ? '' : this.#op.calls.indexOf(plan)} ${code}`)
    report.note(`${what} failed: ${code} ${message}`)
    if (this.#tainted) return
    const asked =
      (code === 'CANCELLED' && plan?.cancelAfter !== undefined) || (code === 'DEADLINE' && plan?.deadline !== undefined)
    const thrownThere = plan?.method === 'fail' && code === 'FAULT'
    const broke = BROKEN.has(code) || code === this.#reason?.code
    report.check(asked || thrownThere || broke, 'I2', () => `${what} failed with ${code}: ${message}`)
    if (broke && !asked) {
      // No pipe breaks for one call alone.
      this.#world.objects.audit(() => {
        report.check(this.#closed, 'I2', () => `${what} failed with ${code}, and the pipe is not over`)
      })
    }
    if (thrownThere) {
      report.check(remote?.code === 'EPLAN', 'I2', () => `${what} failed with another error than the component's`)
    }
    if (code === 'CANCELLED') report.sometimes(call?.answered === true ? 'cancel raced the answer' : 'call cancelled')
    if (code === 'DEADLINE') report.sometimes('deadline of a call passed')
    if (code === 'PEER_DIED' && call !== undefined) report.sometimes('partition died during a call')
  }
}
