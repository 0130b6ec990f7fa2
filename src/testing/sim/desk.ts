import { ClassTable, ObjectServer } from '../../component/index.ts'
import type { Pipe } from '../../pipe/index.ts'
import { type CallContext, type Caller, type Implementation, RpcAccess } from '../../rpc/index.ts'
import { Desk } from './call-contract.ts'
import type { SimNode } from './node.ts'
import type { World } from './world.ts'

/** One serving session: the components behind one pipe, for one caller. */
export class DeskSession {
  readonly server: ObjectServer
  readonly node: SimNode
  readonly id: number
  readonly #world: World
  readonly #caller: Caller
  readonly #tainted: boolean

  /** Takes the pipe. */
  constructor(world: World, node: SimNode, pipe: Pipe, caller: Caller, id: number, tainted: boolean) {
    this.#world = world
    this.node = node
    this.id = id
    this.#caller = caller
    this.#tainted = tainted
    const classes = new ClassTable()
    classes.offer(Desk, this.#desk())
    this.server = new ObjectServer(new RpcAccess(pipe), { env: node.env, classes, caller })
  }

  #invoked(call: number, context: CallContext): () => void {
    const { partition, epoch } = context.caller
    // Who opened the pipe was compared with his link; so it is known of hostile ones as well.
    const same = partition === this.#caller.partition && epoch === this.#caller.epoch
    this.#world.report.check(same, 'I5', () => {
      return `a call of ${partition} epoch ${epoch} came over a pipe of ${this.#caller.partition} epoch ${this.#caller.epoch}`
    })
    const model = this.#world.calls.invoked(call, context.caller, this.#tainted)
    return () => {
      if (model !== undefined) model.answered = true
    }
  }

  #desk(): Implementation<typeof Desk> {
    const { node } = this
    const invoked = (call: number, context: CallContext): (() => void) => this.#invoked(call, context)
    const world = this.#world
    return {
      reverse: ({ call, bytes }, context) => {
        invoked(call, context)()
        return bytes.slice().reverse()
      },
      wait: async ({ call, ms }, context) => {
        const answered = invoked(call, context)
        const { signal } = context
        const cancelled = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
        await Promise.race([node.sleep(ms), cancelled])
        if (signal.aborted) world.report.sometimes('a component heard of a cancelled call')
        answered()
        return ms
      },
      fail: ({ call }, context) => {
        invoked(call, context)()
        throw Object.assign(new Error('as planned'), { code: 'EPLAN' })
      },
      sum: ({ call }, context) => {
        invoked(call, context)()
        return this.#sum()
      },
      count: ({ call, to }, context) => {
        invoked(call, context)()
        return numbers(to, node)
      },
    }
  }

  #sum(): { add: (args: { call: number; value: number }, context: CallContext) => number } & Disposable {
    let sum = 0
    this.#world.calls.made(this.id)
    return {
      add: ({ call, value }, context) => {
        this.#invoked(call, context)()
        sum += value
        return sum
      },
      [Symbol.dispose]: () => this.#world.calls.disposed(this.id),
    }
  }
}

async function* numbers(to: number, node: SimNode): AsyncGenerator<number, void, void> {
  for (let at = 0; at < to; at++) {
    if (at % 7 === 6) await node.sleep(1)
    yield at
  }
}
