import { type Caller, type Carrier, Endpoint, type Incoming, type Offer } from '../../bus/index.ts'
import { BusbarError } from '../../errors/index.ts'
import { offerPipe, Pipe } from '../../pipe/index.ts'
import { DeskSession } from './desk.ts'
import type { SimNode } from './node.ts'
import { RpcSession } from './rpc-session.ts'
import { serveObjects } from './objects/arriving.ts'
import { toldOfOpenings } from './origins.ts'
import { PIPE_NUMBER_BYTES, PipeSide } from './pipe-side.ts'
import type { SimRandom } from './random.ts'
import type { World } from './world.ts'

/** Virtual `ms` before a program that lost the bus tries again, at most. */
const RETRY = 100

/** What every program offers: pipes in both modes, components to call, and plain RPC. */
export type ServiceKind = 'byte' | 'message' | 'calls' | 'rpc' | 'objects'
const SERVICES: readonly ServiceKind[] = ['byte', 'message', 'calls', 'rpc', 'objects']

/** One program on the bus: attaches, offers its services, serves what comes, and attaches again when the bus is lost. */
export class Program {
  readonly partition: string
  readonly index: number
  /** Its bytes may be damaged on the way. */
  readonly tainted: boolean
  node: SimNode
  endpoint: Endpoint | undefined
  /** How often it attached. */
  attachments = 0
  /** Pipes open now. */
  pipes = 0
  withdrawals = 0
  readonly #world: World
  readonly #connect: (node: SimNode) => Promise<Carrier>
  readonly #random: SimRandom
  #offers: Offer[] = []
  #generation = 0

  constructor(
    world: World,
    index: number,
    partition: string,
    tainted: boolean,
    connect: (node: SimNode) => Promise<Carrier>,
  ) {
    this.#world = world
    this.index = index
    this.partition = partition
    this.tainted = tainted
    this.#connect = connect
    this.#random = world.random.fork(`program ${index}`)
    this.node = world.network.node(`${partition}.${index}`)
  }

  service(kind: ServiceKind): string {
    return `${kind}-${this.index}`
  }

  /** Whether it is attached and offers everything. */
  get ready(): boolean {
    return this.endpoint !== undefined && this.#offers.length === SERVICES.length
  }

  start(): void {
    if (!this.node.alive) this.node = this.#world.network.node(`${this.partition}.${this.index}`)
    this.#begin()
  }

  /** Attaches once more; the session before is not asked. */
  attachAgain(): void {
    this.#begin()
  }

  kill(): void {
    if (this.pipes > 0) this.#world.report.sometimes('partition killed with pipes open')
    this.#world.network.kill(this.node)
    this.endpoint = undefined
    this.#offers = []
    this.pipes = 0
  }

  withdraw(backAfter: number): void {
    const { node, endpoint } = this
    if (endpoint === undefined || this.#offers.length < SERVICES.length) return
    this.withdrawals++
    for (const offer of this.#offers.splice(0)) offer.withdraw()
    const again = async (): Promise<void> => {
      await node.sleep(backAfter)
      await this.#offerAll(endpoint)
    }
    this.#world.lives.add(`${this.partition} offers again`, node, again())
  }

  #begin(): void {
    const { node } = this
    const generation = ++this.#generation
    this.#offers = []
    this.#world.lives.add(`life of ${node.name}`, node, this.#live(node, generation))
  }

  async #live(node: SimNode, generation: number): Promise<void> {
    const current = (): boolean => !this.#world.ending && generation === this.#generation && node === this.node
    while (current()) {
      try {
        const carrier = await this.#connect(node)
        const attached = await Endpoint.attach(carrier, {
          env: node.env,
          limits: this.#world.wiring.limits,
          rings: this.#world.ringsOf(this.partition, node),
        })
        const endpoint = toldOfOpenings(this.#world.plants.endpoint?.(attached) ?? attached, (opening, caller) => {
          this.#came(carrier, opening, caller)
        })
        if (!current()) return endpoint.close()
        this.attachments++
        this.endpoint = endpoint
        this.#world.memory.session(node.name, node, endpoint)
        this.#offers = []
        await this.#offerAll(endpoint)
        const reason = await endpoint.closed
        this.#world.lost(node, reason, this.tainted)
        if (this.endpoint === endpoint) {
          this.endpoint = undefined
          this.#offers = []
        }
      } catch (thrown) {
        this.#world.expectFailure(`attaching ${node.name}`, thrown, this.tainted)
      }
      await node.sleep(1 + this.#random.below(RETRY))
    }
  }

  async #offerAll(endpoint: Endpoint): Promise<void> {
    const made: Offer[] = []
    for (const kind of SERVICES) {
      const service = this.service(kind)
      for (let offer: Offer | undefined; offer === undefined && this.endpoint === endpoint; ) {
        try {
          offer = await this.#offer(endpoint, service, kind)
          made.push(offer)
        } catch (thrown) {
          const error = this.#world.expectFailure(`offering ${service}`, thrown, this.tainted)
          if (error.code === 'ALREADY_OFFERED') this.#world.report.sometimes('offer refused because it exists')
          else if (error.code !== 'BUSY') return
          await this.node.sleep(50)
        }
      }
    }
    if (this.endpoint === endpoint) this.#offers = made
  }

  /** I4 and I5 for each opening, before this side decides: the bus says who it is from, and the link that it came over knows. */
  #came(carrier: Carrier, { message }: Incoming, { partition, epoch }: Caller): void {
    const { wiring, report, policy } = this.#world
    const asked = wiring.origins.of(carrier, message.channelId)
    const { service } = message
    policy.reached({ caller: partition, target: this.partition, service, mode: message.mode }, asked)
    const origin = asked?.caller
    report.check(origin?.partition === partition && origin.epoch === epoch, 'I5', () => {
      const [link, told] = [origin, { partition, epoch }].map((who) => `${who?.partition} epoch ${who?.epoch}`)
      return `an opening of ${service} came over the link of ${link}, and is from ${told}, says the bus`
    })
    if (this.#world.forges(origin?.partition)) report.sometimes('hostile partition forged a caller')
  }

  #offer(endpoint: Endpoint, service: string, kind: ServiceKind): Promise<Offer> {
    const { node } = this
    const mode = kind === 'message' ? 'message' : 'byte'
    const accept = (pipe: Pipe, caller: Caller): void => this.#serve(node, pipe, caller, kind)
    if (this.#random.chance(0.5)) {
      return offerPipe(endpoint, service, {
        mode,
        accept,
      })
    }
    const decide = (opening: Incoming, caller: Caller): void => {
      this.#world.tasks.add(`${node.name} decides`, node, this.#decide(node, opening, caller, accept))
    }
    return endpoint.offer(service, { mode, decide })
  }

  async #decide(
    node: SimNode,
    opening: Incoming,
    caller: Caller,
    accept: (pipe: Pipe, caller: Caller) => void,
  ): Promise<void> {
    const draw = this.#world.plan.moody ? this.#random.below(20) : 20
    if (draw === 0) return opening.refuse(new BusbarError('BUSY', 'not now'))
    // Never answered: the caller's deadline takes it back.
    if (draw === 1) return new Promise((resolve) => opening.signal.addEventListener('abort', () => resolve()))
    if (draw < 8) await node.sleep(this.#random.below(30))
    try {
      accept(new Pipe(await opening.accept(caller)), caller)
    } catch (thrown) {
      this.#world.expectFailure('accepting', thrown, this.tainted)
    }
  }

  #serve(node: SimNode, pipe: Pipe, caller: Caller, kind: ServiceKind): void {
    this.pipes++
    if (kind === 'objects') return this.#serveObjects(node, pipe, caller)
    const work =
      kind === 'calls'
        ? this.#answerCalls(node, pipe, caller)
        : kind === 'rpc'
          ? this.#answerRequests(node, pipe, caller)
          : this.#recognise(node, pipe, caller)
    const served = work.then(() => {
      if (node === this.node) this.pipes--
    })
    this.#world.tasks.add(`${pipe.name} for ${caller.partition}`, node, served)
  }

  /** Some of these pipes stay until the end of the plan. */
  #serveObjects(node: SimNode, pipe: Pipe, caller: Caller): void {
    const tainted = this.tainted || this.#world.isTainted(caller.partition)
    const holder = this.#world.objects.holder(node, this.partition)
    const served = tainted ? Promise.resolve(pipe.close()) : serveObjects(this.#world, holder, pipe, caller)
    const over = served.then(() => {
      if (node === this.node) this.pipes--
    })
    this.#world.lives.add(`${pipe.name} for ${caller.partition}`, node, over)
  }

  async #answerCalls(node: SimNode, pipe: Pipe, caller: Caller): Promise<void> {
    const tainted = this.tainted || this.#world.isTainted(caller.partition)
    const id = this.#world.desks.length
    const desk = new DeskSession(this.#world, node, pipe, caller, id, tainted)
    this.#world.desks.push(desk)
    this.#world.memory.component(pipe.name, node, desk.server)
    await desk.server.closed
  }

  async #answerRequests(node: SimNode, pipe: Pipe, caller: Caller): Promise<void> {
    const tainted = this.tainted || this.#world.isTainted(caller.partition)
    const session = new RpcSession(this.#world, node, pipe, caller, this.#world.groupsOf(node, caller), tainted)
    this.#world.associations.push({ side: session.server, node })
    this.#world.memory.association(node, session.server)
    await session.run()
  }

  async #recognise(node: SimNode, pipe: Pipe, caller: Caller): Promise<void> {
    let head = new Uint8Array(0)
    try {
      while (head.length < PIPE_NUMBER_BYTES) {
        const chunk = await pipe.read()
        if (chunk === undefined) return pipe.close()
        head = Buffer.concat([head, chunk])
      }
    } catch (thrown) {
      if (this.#world.expectFailure(`reading the number of ${pipe.name}`, thrown, true).code === 'CANCELLED') {
        this.#world.report.sometimes('cancel raced the open result')
      }
      return
    }
    const id = new DataView(head.buffer, head.byteOffset).getUint32(0, true)
    const model = this.#world.pipes.find(id)
    if (this.tainted || this.#world.isTainted(caller.partition)) return pipe.close()
    const { report } = this.#world
    if (model === undefined) return report.fail('I1', `${pipe.name} begins with the number of no pipe, ${id}`)
    model.served++
    report.check(model.served === 1, 'I3', () => `pipe ${id} reached ${model.served} targets`)
    report.check(caller.partition === model.caller.partition && caller.epoch === model.caller.epoch, 'I5', () => {
      return `pipe ${id} is from ${caller.partition} epoch ${caller.epoch} says the bus, but ${model.caller.partition} epoch ${model.caller.epoch} opened it`
    })
    report.check(pipe.name === model.target, 'I4', () => `pipe ${id} to ${model.target} reached ${pipe.name}`)
    await new PipeSide(pipe, model, 'server', node, this.#world).run(head)
  }
}
