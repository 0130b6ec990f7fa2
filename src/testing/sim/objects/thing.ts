import { implement } from '../../../component/index.ts'
import { BusbarError } from '../../../errors/index.ts'
import type { CallContext, Client, Implementation } from '../../../rpc/index.ts'
import { Box, Thing } from './contracts.ts'
import type { Holder } from './holder.ts'
import type { Passing, Reference, ThingModel } from './model.ts'
import { type PlannedStream, readPlanned, reread } from './streams.ts'
import type { ObjectTable } from './table.ts'

type ThingProxy = Client<typeof Thing>

/** What implements one object of the model, and tells the model what happens to it. */
export function makeThing(table: ObjectTable, home: Holder, id: number, isBox: boolean, pure: boolean): ThingModel {
  const model: ThingModel = { id, home, impl: {}, isBox, disposed: 0, pure }
  const invoked = (call: number, context: CallContext): Passing => {
    const passing = table.invoked(call, context, model)
    if (passing === undefined) throw new BusbarError('INTERNAL', `there is no call ${call}`)
    return passing
  }
  const streamOf = (call: number, context: CallContext): PlannedStream => {
    const { stream } = invoked(call, context)
    if (stream === undefined) throw new BusbarError('INTERNAL', `call ${call} has no stream`)
    table.answered(call)
    return stream
  }
  const impl: Implementation<typeof Thing> & Disposable = {
    who: ({ call }, context) => {
      invoked(call, context)
      table.answered(call)
      return id
    },
    wait: async ({ call, ms }, context) => {
      invoked(call, context)
      const { signal } = context
      const cancelled = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      await Promise.race([home.node.sleep(ms), cancelled])
      table.answered(call)
      return id
    },
    flow: ({ call }, context) => streamOf(call, context),
    pour: ({ call, items }, context) => readPlanned(table, home, streamOf(call, context), items),
    relay: ({ call, items }, context) => {
      streamOf(call, context)
      return call % 2 === 0 ? items : reread(items)
    },
    [Symbol.dispose]: () => {
      model.disposed++
      table.audit(() => checkDisposal(table, model))
    },
  }
  Object.assign(model.impl, impl)
  Object.assign(model.impl, { [Symbol.dispose]: impl[Symbol.dispose] })
  if (!isBox) return model
  let contents: Reference[] = []
  const box: Implementation<typeof Box> = {
    swap: ({ call, things }, context) => {
      const passing = invoked(call, context)
      const before = contents.filter(({ released }) => !released)
      contents = table.received(home, passing, things)
      passing.returned = before
      table.answered(call)
      return before.map(({ value }) => value as ThingProxy)
    },
  }
  Object.assign(model.impl, box)
  implement([Thing, Box], model.impl as Implementation<typeof Thing> & Implementation<typeof Box>)
  return model
}

/** I8: an object is disposed of once, and not while somebody holds it. */
function checkDisposal(table: ObjectTable, thing: ThingModel): void {
  if (!thing.pure) return
  const { report } = table
  report.check(thing.disposed === 1, 'I8', () => `object ${thing.id} was disposed of ${thing.disposed} times`)
  for (const holder of table.holders) {
    const left = holder.held.find((each) => each.thing === thing && !each.path.some((end) => end.broken))
    report.check(left === undefined, 'I8', () => `object ${thing.id} was disposed of, and ${holder.node.name} holds it`)
  }
}
