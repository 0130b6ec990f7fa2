import { ClassTable, ObjectServer, same } from '../../../component/index.ts'
import { BusbarError } from '../../../errors/index.ts'
import type { ByteLink } from '../../../link/index.ts'
import { type CallContext, type Caller, type Client, type Implementation, RpcAccess } from '../../../rpc/index.ts'
import { attempt } from './attempt.ts'
import { type Box, Hub, type Thing } from './contracts.ts'
import type { Holder } from './holder.ts'
import { arrivalBack, type Passing, PipeEnd, type Reference, sameReference } from './model.ts'
import { streamOn } from './streams.ts'
import type { ObjectTable } from './table.ts'

type ThingProxy = Client<typeof Thing>

/** What objects are called back with, besides. */
const STREAMED = ['flow', 'pour', 'relay'] as const

/** The serving side of one pipe with objects. */
export class HubSession {
  readonly server: ObjectServer
  readonly end: PipeEnd
  readonly #table: ObjectTable
  readonly #holder: Holder

  /** Takes the link. */
  constructor(table: ObjectTable, holder: Holder, link: ByteLink, caller: Caller) {
    this.#table = table
    this.#holder = holder
    const { node, returns, partition, onProxy } = holder
    const classes = new ClassTable()
    const hub = this.#hub()
    // One for all, or one for each activation: to callers it is the same.
    classes.offer(Hub, table.ends.length % 2 === 0 ? hub : () => hub)
    const access = new RpcAccess(table.planted.link(link, 'server'))
    const { hooks } = table.planted
    this.server = new ObjectServer(access, { env: node.env, hooks, classes, caller, returns, onProxy })
    const view = () => {
      const { exports, imports, rpc, returning } = this.server.inspect()
      return { exports, imports, calling: returning, serving: rpc }
    }
    // Who is called back is told the partition alone.
    this.end = new PipeEnd(holder, 'server', { partition, epoch: 0 }, view)
    table.ends.push(this.end)
    void this.server.closed.then((reason) => {
      this.end.over = true
      this.end.reason = reason
    })
  }

  #begin(call: number, context: CallContext): Passing {
    const passing = this.#table.invoked(call, context, undefined)
    const [near] = passing?.path ?? []
    if (passing === undefined || near === undefined) throw new BusbarError('INTERNAL', `there is no call ${call}`)
    this.end.other = near
    near.other = this.end
    return passing
  }

  #hub(): Implementation<typeof Hub> {
    const table = this.#table
    const holder = this.#holder
    const begin = (call: number, context: CallContext): Passing => this.#begin(call, context)
    const values = (references: readonly Reference[]): ThingProxy[] =>
      references.map(({ value }) => value as ThingProxy)
    return {
      make: ({ call }, context) => {
        const passing = begin(call, context)
        const thing = table.make(holder, call % 2 === 0, true)
        const value = thing.impl
        passing.returned = [{ thing, value, path: [], contract: 'sim.Thing', shares: false, released: false }]
        return values(passing.returned)
      },
      find: ({ call, pick }, context) => {
        const passing = begin(call, context)
        passing.returned = [holder.pick(pick)]
        return values(passing.returned)
      },
      keep: ({ call, things }, context) => table.received(holder, begin(call, context), things).length,
      echo: ({ call, things }, context) => {
        const passing = begin(call, context)
        passing.returned = table.received(holder, passing, things)
        return values(passing.returned)
      },
      ask: async ({ call, things, times }, context) => {
        const arrived = table.received(holder, begin(call, context), things)
        for (const reference of arrived) {
          for (let time = 0; time < times; time++) await this.#askBack(reference)
          if (call % 2 === 0) {
            const plan = { items: call % 40, breaks: call % 5 === 0, pause: call % 7 }
            await streamOn(table, holder, reference, STREAMED[call % 3] ?? 'flow', plan)
          }
        }
        return times
      },
      stuff: async ({ call, box, pick }, context) => {
        const [arrived] = table.received(holder, begin(call, context), [box])
        if (arrived !== undefined && arrived.path.length > 0)
          await swapThings(table, holder, arrived, [holder.pick(pick)])
        return pick
      },
      compare: ({ call, things }, context) => {
        const [first, ...rest] = table.received(holder, begin(call, context), things)
        const all = rest.every((each) => compareReferences(table, first as Reference, each))
        return all
      },
      drop: ({ call, pick }, context) => {
        begin(call, context)
        const reference = holder.pickRemote(pick)
        if (reference !== undefined) void holder.release(reference, false)
        return pick
      },
    }
  }

  async #askBack({ path: way, thing, value, released }: Reference): Promise<void> {
    if (way.length === 0) return
    const planned = { method: 'who', way, target: thing, released }
    const outcome = await attempt(this.#table, this.#holder, planned, (call) => (value as ThingProxy).who({ call }))
    checkAnswer(this.#table, outcome?.value, thing.id)
  }
}

/** Whether `same` says what the model does. */
export function compareReferences({ report }: ObjectTable, a: Reference, b: Reference): boolean {
  const found = same(a.value, b.value)
  report.check(found === sameReference(a, b), 'I8', () => {
    return `objects ${a.thing.id} and ${b.thing.id} are ${found ? '' : 'not '}said to be the same`
  })
  return found
}

/** I1: an object answers with its own number. */
export function checkAnswer({ report }: ObjectTable, answer: number | undefined, id: number): void {
  report.check(answer === undefined || answer === id, 'I1', () => `object ${id} answered as ${answer}`)
}

/** Puts things into a box of another process, and holds what was in it. */
export async function swapThings(
  table: ObjectTable,
  holder: Holder,
  box: Reference,
  sent: readonly Reference[],
  terms: { readonly deadline?: number | undefined; readonly cancelAfter?: number | undefined } = {},
): Promise<void> {
  const { path: way, thing: target, released } = box
  const things = sent.map(({ value }) => value as ThingProxy)
  const planned = { method: 'swap', way, target, sent, released, ...terms }
  const outcome = await attempt(table, holder, planned, (call, options) =>
    (box.value as Client<typeof Box>).swap({ call, things }, options),
  )
  if (outcome !== undefined) takeReturned(table, holder, outcome)
}

/** Holds what an answer gave. */
export function takeReturned(
  { report }: ObjectTable,
  holder: Holder,
  { value, passing }: { readonly value: readonly object[]; readonly passing: Passing },
): Reference[] {
  const { returned, path } = passing
  report.check(value.length === returned.length, 'I1', () => `${value.length} references came of ${returned.length}`)
  return returned
    .slice(0, value.length)
    .map((each, at) => holder.arrived(value[at] as object, each.thing, arrivalBack(each, path), each.contract))
}
