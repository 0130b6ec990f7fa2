import { Channel } from 'busbar/bus'
import { ClassTable, type Client, type Implementation, ObjectClient, ObjectServer } from 'busbar/component'
import { Pipe, toNode, toWeb } from 'busbar/pipe'
import {
  AssociationGroups,
  type Contract,
  contract,
  method,
  type Method,
  plainClient,
  plainInterface,
  type RefType,
  RpcAccess,
  RpcClient,
  RpcServer,
  t,
} from 'busbar/rpc'
import { connectUnix, listenUnix, nodeEnv } from 'busbar/transport'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { type RpcPromise, RpcSession, type RpcStub, RpcTarget } from 'capnweb'
import { FrameTransport, LIMITS } from './capnweb.ts'

/** One way to reach objects, or what is below them, over a Unix socket. Each does what it can. */
interface ObjectStack {
  serve(path: string): Promise<void>
  connect(path: string): Promise<ObjectConnection>
}

export interface ObjectConnection {
  /** Sends `data` and gives the number of bytes that came back. */
  call?(data: Uint8Array): Promise<number>
  /** Asks for so many objects at once. Gives how many came, and what lets them go. */
  many?(count: number): Promise<{ readonly count: number; readonly release: () => Promise<void> }>
  /** Reads a stream of so many bytes that the server sends in chunks of `CHUNK`; gives how many came. The loop reads it as it is, or through an adapter. */
  stream?(bytes: number, through?: Adapter): Promise<number>
  /** Makes so many calls, each on the reference that the one before it gives. Gives what lets all of those go, when the last is there. */
  chain?(calls: number): Promise<() => Promise<void>>
}

export type Adapter = 'web' | 'node'

/** What the server writes, or yields, at a time: `bytes`. */
const CHUNK = 65_536

type StepMethods = { readonly next: Method<Record<never, never>, RefType<Implementation<Step>, Client<Step>>> }
type Step = Contract<StepMethods>
/** An object that gives another of its kind. */
const Step: Step = contract(
  'bench.Step',
  { version: '1.0' },
  {
    next: method(
      {},
      t.ref((): Step => Step),
    ),
  },
)
const Item = contract('bench.Item', { version: '1.0' }, { size: method({}, t.uint32) })
const Bench = contract(
  'bench.Objects',
  { version: '1.0' },
  {
    call: method({ data: t.bytes }, t.bytes),
    many: method({ count: t.uint32 }, t.array(t.ref(Item))),
    first: method({}, t.ref(Step)),
    stream: method({ bytes: t.uint53 }, t.stream(t.bytes)),
  },
)
const Plain = contract('bench.Plain', { version: '1.0' }, { call: method({ data: t.bytes }, t.bytes) })

/** The same method without objects: one plain call of DCE/RPC. */
const plain: ObjectStack = {
  async serve(path) {
    const env = nodeEnv()
    const served = plainInterface(Plain, { call: ({ data }) => data })
    const lookup = ({ uuid }: { uuid: string }) => (uuid === Plain.uuid ? served : undefined)
    const groups = new AssociationGroups(env)
    await listenUnix(path, { onLink: (link) => void new RpcServer(new RpcAccess(link), { env, lookup, groups }) })
  },
  async connect(path) {
    const client = await plainClient(new RpcClient(new RpcAccess(await connectUnix(path)), { env: nodeEnv() }), Plain)
    return { call: async (data) => (await client.call({ data })).length }
  },
}

/** A pipe and nothing in it: the client says how much it wants, the server writes it. */
const pipe: ObjectStack = {
  async serve(path) {
    const send = async (over: Pipe): Promise<void> => {
      const data = new Uint8Array(CHUNK).fill(7)
      for (let asked = await over.read(); asked !== undefined; asked = await over.read()) {
        const bytes = Number(new TextDecoder().decode(asked))
        for (let sent = 0; sent < bytes; sent += CHUNK) {
          const room = over.write(data)
          if (room instanceof Promise) await room
        }
      }
    }
    await listenUnix(path, { onLink: (link) => void send(pipeOver(link)) })
  },
  async connect(path) {
    const over = pipeOver(await connectUnix(path))
    return {
      stream: async (bytes) => {
        void over.write(new TextEncoder().encode(`${bytes}`))
        let got = 0
        while (got < bytes) got += (await over.read())?.length ?? Number.NaN
        return got
      },
    }
  },
}

type Link = ConstructorParameters<typeof Channel>[1]

function pipeOver(link: Link): Pipe {
  const description = { id: 1, partition: 'bench', service: 'bench', mode: 'byte', caller: undefined } as const
  return new Pipe(new Channel(description, link, { closing() {}, orphaned() {} }))
}

/** Components of Busbar, over one association, no bus in between. */
const objects: ObjectStack = {
  async serve(path) {
    const env = nodeEnv()
    const classes = new ClassTable()
    const item = { size: () => CHUNK }
    classes.offer(Bench, {
      call: ({ data }: { data: Uint8Array }) => data,
      many: ({ count }) => Array.from({ length: count }, () => ({ ...item })),
      first: step,
      stream: ({ bytes }) => chunks(bytes),
    })
    const caller = { partition: 'bench', epoch: 1 }
    await listenUnix(path, { onLink: (link) => void new ObjectServer(new RpcAccess(link), { env, classes, caller }) })
  },
  async connect(path) {
    const client = new ObjectClient(new RpcAccess(await connectUnix(path)), { env: nodeEnv() })
    const bench: Client<typeof Bench> = await client.activate(Bench)
    const first = await bench.first()
    return {
      chain: async (calls) => {
        const steps = [first.next()]
        while (steps.length < calls) steps.push((steps.at(-1) as Client<Step>).next())
        await steps.at(-1)
        return async () => {
          await Promise.all(steps.map((each) => each[Symbol.asyncDispose]()))
        }
      },
      call: async (data) => (await bench.call({ data })).length,
      many: async (count) => {
        const items = await bench.many({ count })
        const release = async (): Promise<void> => {
          await Promise.all(items.map((each) => each[Symbol.asyncDispose]()))
        }
        return { count: items.length, release }
      },
      stream: async (bytes, through) => {
        const stream = bench.stream({ bytes })
        const adapted = through === 'web' ? toWeb(stream) : through === 'node' ? toNode(stream) : stream
        let got = 0
        for await (const chunk of adapted as AsyncIterable<Uint8Array>) got += chunk.length
        return got
      },
    }
  },
}

function step(): Implementation<Step> {
  return { next: step }
}

async function* chunks(bytes: number): AsyncGenerator<Uint8Array> {
  const data = new Uint8Array(CHUNK).fill(7)
  for (let sent = 0; sent < bytes; sent += CHUNK) yield data
}

class CapnItem extends RpcTarget {
  size(): number {
    return CHUNK
  }
}

class CapnStep extends RpcTarget {
  next(): CapnStep {
    return new CapnStep()
  }
}

class CapnMain extends RpcTarget {
  call(data: Uint8Array): Uint8Array {
    return data
  }

  first(): CapnStep {
    return new CapnStep()
  }

  many(count: number): CapnItem[] {
    return Array.from({ length: count }, () => new CapnItem())
  }

  stream(bytes: number): ReadableStream<Uint8Array> {
    const from = chunks(bytes)
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const { done, value } = await from.next()
        if (done === true) controller.close()
        else controller.enqueue(value)
      },
    })
  }
}

/** Cap'n Web over frames of MessagePack, as in the calls without objects. */
const capnweb: ObjectStack = {
  async serve(path) {
    const server = createServer((socket) => void new RpcSession(new FrameTransport(socket), new CapnMain(), LIMITS))
    server.listen(path)
    await once(server, 'listening')
  },
  async connect(path) {
    const socket = connect(path)
    await once(socket, 'connect')
    const main: RpcStub<CapnMain> = new RpcSession<CapnMain>(
      new FrameTransport(socket),
      undefined,
      LIMITS,
    ).getRemoteMain()
    const first = await main.first()
    return {
      chain: async (calls) => {
        const steps = [first.next()]
        while (steps.length < calls) steps.push((steps.at(-1) as RpcPromise<CapnStep>).next())
        const last = (await steps.at(-1)) as Disposable
        return async () => {
          last[Symbol.dispose]()
          for (const each of steps) each[Symbol.dispose]()
        }
      },
      call: async (data) => (await main.call(data)).length,
      many: async (count) => {
        const items = await main.many(count)
        const release = async (): Promise<void> => items[Symbol.dispose]()
        return { count: items.length, release }
      },
      stream: async (bytes) => {
        let got = 0
        for await (const chunk of await main.stream(bytes)) got += chunk.length
        return got
      },
    }
  },
}

export const OBJECT_STACKS = { plain, pipe, objects, capnweb } satisfies Record<string, ObjectStack>

export type ObjectStackName = keyof typeof OBJECT_STACKS
