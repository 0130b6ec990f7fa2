import { ObjectClient, query, encodeReturn } from '../../../component/index.ts'
import { BusbarError } from '../../../errors/index.ts'
import { openPipe, type Pipe } from '../../../pipe/index.ts'
import { type Client, RpcAccess } from '../../../rpc/index.ts'
import { BROKEN } from '../calling.ts'
import type { Program } from '../program.ts'
import type { World } from '../world.ts'
import { type Attempt, attempt } from './attempt.ts'
import { Box, Hub, Thing } from './contracts.ts'
import type { Holder } from './holder.ts'
import { PipeEnd, type Reference } from './model.ts'
import type { ObjectsOp, ObjectStep } from './plan.ts'
import { checkAnswer, compareReferences, swapThings, takeReturned } from './serving.ts'
import { streamOn } from './streams.ts'
import type { ObjectTable } from './table.ts'

type HubProxy = Client<typeof Hub>
type ThingProxy = Client<typeof Thing>

/** Activates the component of another program, and does with references what the plan says. */
export async function passObjectsAsPlanned(world: World, op: ObjectsOp, from: Program, to: Program): Promise<void> {
  const { endpoint, node } = from
  // What a hostile partition says of references is its own affair: others are only to be spared by it.
  if (endpoint === undefined || from.tainted || to.tainted) return
  const name = `${to.partition}/${to.service('objects')}`
  let pipe: Pipe
  try {
    pipe = await openPipe(endpoint, name, { wait: op.wait })
  } catch (thrown) {
    const { code } = world.expectFailure(`opening ${name} for objects`, thrown, false)
    return world.report.payload(op, () => code)
  }
  from.pipes++
  const open = async (token: string): Promise<RpcAccess> => {
    const channel = await openPipe(endpoint, name)
    const room = channel.write(encodeReturn(token))
    if (room instanceof Promise) room.catch(() => {})
    return new RpcAccess(channel)
  }
  const { env } = node
  const holder = world.objects.holder(node, from.partition)
  const planted = world.objects.planted
  const client = new ObjectClient(new RpcAccess(planted.link(pipe, 'client')), {
    hooks: planted.hooks,
    env,
    onProxy: holder.onProxy,
    returns: { peer: { partition: to.partition, epoch: 0 }, open },
  })
  void client.closed.then(() => {
    if (node === from.node) from.pipes--
  })
  await new ObjectSession(world.objects, op, holder, client, endpoint.identity).run()
}

/** The calling side of one pipe with objects. */
class ObjectSession {
  readonly #table: ObjectTable
  readonly #op: ObjectsOp
  readonly #holder: Holder
  readonly #client: ObjectClient
  readonly #end: PipeEnd

  constructor(table: ObjectTable, op: ObjectsOp, holder: Holder, client: ObjectClient, caller: PipeEnd['caller']) {
    this.#table = table
    this.#op = op
    this.#holder = holder
    this.#client = client
    const view = () => {
      const { exports, imports, rpc, returning } = client.inspect()
      return { exports, imports, calling: rpc, serving: returning }
    }
    const end = new PipeEnd(holder, 'client', caller, view)
    this.#end = end
    table.ends.push(end)
    void client.closed.then((reason) => {
      end.over = true
      end.reason = reason
      table.report.note(`objects of ${holder.node.name} over: ${reason?.code ?? 'in order'}`)
    })
  }

  async run(): Promise<void> {
    const { closeAfter, lingers, steps } = this.#op
    const { node } = this.#holder
    const client = this.#client
    if (closeAfter !== undefined) {
      void node.sleep(closeAfter).then(() => client.close(new BusbarError('RESET', 'as planned')))
    }
    const hub = await this.#activate()
    if (hub === undefined) return client.close()
    const overlapping: Promise<void>[] = []
    for (const step of steps) {
      if (step.after > 0) await node.sleep(step.after)
      const done = this.#step(hub, step)
      if (step.overlaps) overlapping.push(done)
      else await done
    }
    await Promise.all(overlapping)
    if (lingers) return this.#table.lingers(() => client.close())
    const { imports, exports } = this.#end.view()
    if (Object.keys(exports).length > 0 && imports['sim.Thing'] !== undefined && !this.#end.over) {
      this.#table.report.sometimes('a pipe closed over references in both directions')
    }
    client.close()
  }

  async #activate(): Promise<HubProxy | undefined> {
    const { report } = this.#table
    try {
      const hub = await this.#client.activate(Hub)
      this.#holder.has(hub)
      return hub
    } catch (thrown) {
      const { code, message } = BusbarError.from(thrown)
      report.note(`activating failed: ${code} ${message}`)
      report.payload(this.#op, () => `activating ${code}`)
      const known = (BROKEN.has(code) && code !== 'FAULT') || code === this.#end.reason?.code
      report.check(known, 'I2', () => `activating failed with ${code}: ${message}`)
      return undefined
    }
  }

  async #step(hub: HubProxy, step: ObjectStep): Promise<void> {
    const table = this.#table
    const holder = this.#holder
    const { act, pick, other, size, deadline, cancelAfter } = step
    const terms = { deadline, cancelAfter }
    const onHub = (method: string, sent: readonly Reference[] = []): Attempt => {
      const ended = (code: string): void => {
        table.report.payload(this.#op, () => `${this.#op.steps.indexOf(step)} ${act} ${code}`)
      }
      return { method, way: [this.#end], target: undefined, sent, ended, ...terms }
    }
    switch (act) {
      case 'make':
      case 'find': {
        const outcome = await attempt(table, holder, onHub(act), (call, options) =>
          act === 'make' ? hub.make({ call }, options) : hub.find({ call, pick }, options),
        )
        if (outcome !== undefined) takeReturned(table, holder, outcome)
        return
      }
      case 'keep': {
        const sent = this.#pick(pick, 1 + (size % 3))
        const ballast = new Uint8Array(size)
        await attempt(table, holder, onHub(act, sent), (call, options) =>
          hub.keep({ call, things: valuesOf(sent), ballast }, options),
        )
        return
      }
      case 'echo': {
        const sent = this.#pick(pick, size)
        const outcome = await attempt(table, holder, onHub(act, sent), (call, options) =>
          hub.echo({ call, things: valuesOf(sent) }, options),
        )
        if (outcome !== undefined) takeReturned(table, holder, outcome)
        return
      }
      case 'ask': {
        const sent = this.#pick(pick, 1)
        await attempt(table, holder, onHub(act, sent), (call, options) =>
          hub.ask({ call, things: valuesOf(sent), times: size }, options),
        )
        return
      }
      case 'stuff': {
        const own = table.make(holder, true, false)
        const sent: Reference = { ...holder.keepOwn(own), contract: 'sim.Box' }
        await attempt(table, holder, onHub(act, [sent]), (call, options) =>
          hub.stuff({ call, box: sent.value as Client<typeof Box>, pick: other }, options),
        )
        return
      }
      case 'compare': {
        const sent = [...this.#pick(pick, 1), ...this.#pick(other % 2 === 0 ? pick : other, 1)]
        await attempt(table, holder, onHub(act, sent), (call, options) =>
          hub.compare({ call, things: valuesOf(sent) }, options),
        )
        return
      }
      case 'drop':
        await attempt(table, holder, onHub(act), (call, options) => hub.drop({ call, pick }, options))
        return
      case 'call':
        return this.#call(holder.pickRemote(pick, 'sim.Thing'), step)
      case 'swap': {
        const box = holder.pickRemote(pick, 'sim.Box')
        if (box !== undefined) await swapThings(table, holder, box, this.#pick(other, size % 2), terms)
        return
      }
      case 'flow':
      case 'pour':
      case 'relay': {
        const reference = holder.pickRemote(pick, 'sim.Thing')
        const { stream } = step
        if (reference !== undefined && stream !== undefined)
          await streamOn(table, holder, reference, act, stream, terms)
        return
      }
      case 'query':
        return this.#query(holder.pickRemote(pick), step)
      case 'same': {
        const [one] = this.#pick(pick, 1)
        const [two] = this.#pick(other, 1)
        if (one !== undefined && two !== undefined) compareReferences(table, one, two)
        return
      }
      case 'release': {
        const reference = holder.pickRemote(pick)
        if (reference !== undefined) await holder.release(reference, other % 2 === 0)
        return
      }
      case 'misuse': {
        const reference = holder.pickRemote(pick, 'sim.Thing')
        if (reference === undefined || table.plants.release !== undefined) return
        await holder.release(reference, false)
        return this.#call(reference, step)
      }
      default:
        act satisfies never
    }
  }

  #pick(number: number, count: number): Reference[] {
    return Array.from({ length: count }, (_, at) => this.#holder.pick(number + at))
  }

  async #call(reference: Reference | undefined, { size, other, deadline, cancelAfter }: ObjectStep): Promise<void> {
    if (reference === undefined) return
    const { thing, path: way, released, value } = reference
    const method = size === 0 ? 'who' : 'wait'
    const planned = { method, way, target: thing, released, deadline, cancelAfter }
    const proxy = value as ThingProxy
    const outcome = await attempt(this.#table, this.#holder, planned, (call, options) =>
      method === 'who' ? proxy.who({ call }, options) : proxy.wait({ call, ms: other }, options),
    )
    checkAnswer(this.#table, outcome?.value, thing.id)
  }

  /** QueryInterface: the same object through its other contract, if it has one. */
  async #query(reference: Reference | undefined, { pick }: ObjectStep): Promise<void> {
    if (reference === undefined) return
    const { thing, path, contract, value } = reference
    const { report } = this.#table
    const wanted = pick % 4 === 0 ? contract : contract === 'sim.Thing' ? 'sim.Box' : 'sim.Thing'
    const shares = wanted === contract
    // Whoever passes a query on has a proxy for as long as it takes.
    for (const { holder } of path.slice(1)) holder.passedOn = true
    try {
      const found = await query(value, wanted === 'sim.Box' ? Box : Thing)
      report.check(thing.isBox || wanted === 'sim.Thing', 'I2', () => `object ${thing.id} was found to be a ${wanted}`)
      this.#holder.arrived(found, thing, { path, home: false }, wanted, shares)
      if (!shares) report.sometimes('another interface of an object was found')
    } catch (thrown) {
      const { code, message } = BusbarError.from(thrown)
      report.note(`a query of object ${thing.id} failed: ${code} ${message}`)
      if (code === 'NO_SUCH_INTERFACE') report.sometimes('an object has no interface of the kind that was asked for')
      // Who passed an object on may not know the contract.
      const none = code === 'NO_SUCH_INTERFACE' && (!thing.isBox || path.length > 1)
      const broke = (BROKEN.has(code) && code !== 'FAULT') || code === path[0]?.reason?.code
      report.check(none || broke || (code === 'RELEASED' && reference.released), 'I2', () => {
        return `a query of object ${thing.id}, ${path.length} pipes away, failed with ${code}: ${message}`
      })
      if (broke)
        this.#table.audit(() =>
          report.check(
            path.some((end) => end.broken),
            'I2',
            () => `${code} of nothing`,
          ),
        )
    }
  }
}

function valuesOf(references: readonly Reference[]): ThingProxy[] {
  return references.map(({ value }) => value as ThingProxy)
}
