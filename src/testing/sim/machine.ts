import { type Carrier, CarrierListener, DialledCarrier, Endpoint, SystemObject } from '../../bus/index.ts'
import { BusbarError } from '../../errors/index.ts'
import { damage, Intruder } from './hostile.ts'
import type { SimNode } from './node.ts'
import type { MachinePlan } from './plan.ts'
import { Program } from './program.ts'
import type { SimLink } from './sim-link.ts'
import type { World } from './world.ts'

/** One partition with the programs in it. */
export class Machine {
  readonly plan: MachinePlan
  readonly programs: readonly Program[]
  readonly #world: World
  readonly #agent: Agent | undefined
  readonly #intruder: Intruder | undefined
  #up = false

  constructor(world: World, plan: MachinePlan, firstIndex: number) {
    this.#world = world
    this.plan = plan
    this.#agent = plan.kind === 'nested' ? new Agent(world, plan.name) : undefined
    const breaksIn = plan.hostile === 'noise' || plan.hostile === 'forge'
    this.#intruder = breaksIn ? new Intruder(world, plan.name, plan.hostile) : undefined
    this.programs = Array.from({ length: plan.programs }, (_, at) => {
      const index = firstIndex + at
      return new Program(world, index, plan.name, plan.kind === 'hostile', (node) => this.#connect(node))
    })
  }

  start(): void {
    if (this.#up) return
    this.#up = true
    this.#agent?.start()
    if (this.#intruder !== undefined) this.#intruder.start()
    else for (const program of this.programs) program.start()
  }

  kill(): void {
    this.#up = false
    this.#agent?.kill()
    this.#intruder?.kill()
    for (const program of this.programs) program.kill()
  }

  get ready(): boolean {
    return this.programs.every((program) => program.ready)
  }

  async #connect(node: SimNode): Promise<Carrier> {
    const { wiring, random } = this.#world
    const { name, kind, hostile } = this.plan
    if (kind === 'nested') return (this.#agent as Agent).connect(node)
    if (kind === 'dialled') return wiring.dialSockets(name, node)
    return wiring.dialMux(name, node, (link) => {
      if (hostile === 'damage') link.tamper = damage(random.fork(`damage ${wiring.network.scheduler.steps}`))
    })
  }
}

/** The privileged agent of a machine: holds the session with the bus, and a system object for the programs. */
class Agent {
  readonly #world: World
  readonly #partition: string
  #node: SimNode
  #listener: CarrierListener | undefined

  constructor(world: World, partition: string) {
    this.#world = world
    this.#partition = partition
    this.#node = world.network.node(`${partition} agent`)
  }

  start(): void {
    if (!this.#node.alive) this.#node = this.#world.network.node(`${this.#partition} agent`)
    this.#node.relays = true
    this.#world.lives.add(`life of ${this.#node.name}`, this.#node, this.#live(this.#node))
  }

  kill(): void {
    this.#listener = undefined
    this.#world.network.kill(this.#node)
  }

  connect(node: SimNode): Carrier {
    const dial = (): SimLink => {
      if (this.#listener === undefined) throw new BusbarError('LINK_LOST', 'the agent is not there')
      const [near, far] = this.#world.network.link(node, this.#node)
      this.#listener.accept(far)
      return near
    }
    const carrier = new DialledCarrier(dial(), async () => dial())
    this.#world.memory.carrier(node.name, node, carrier)
    return carrier
  }

  async #live(node: SimNode): Promise<void> {
    const { wiring } = this.#world
    const { env } = node
    while (!this.#world.ending) {
      try {
        const carrier = wiring.origins.handOn(wiring.dialMux(this.#partition, node))
        const endpoint = await Endpoint.attach(carrier, { env, limits: wiring.limits })
        if (this.#world.ending) return endpoint.close()
        const system = new SystemObject(endpoint, env, wiring.limits)
        const { memory } = this.#world
        memory.session(node.name, node, endpoint)
        const onCarrier = (program: Carrier): void => {
          memory.session(
            `${node.name} for a program`,
            node,
            system.attach(wiring.origins.serve(program, endpoint.identity)),
          )
          memory.carrier(`${node.name} to a program`, node, program)
        }
        this.#listener = new CarrierListener({ env, limits: wiring.limits, onCarrier })
        memory.listener(node.name, node, this.#listener)
        this.#world.systems.set(node, system)
        const reason = await endpoint.closed
        this.#world.lost(node, reason, false)
        this.#listener = undefined
        this.#world.systems.delete(node)
      } catch (thrown) {
        this.#world.expectFailure(`attaching ${node.name}`, thrown, false)
      }
      await node.sleep(20)
    }
  }
}
