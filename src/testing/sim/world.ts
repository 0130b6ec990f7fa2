import type { RingMedium, SystemObject } from '../../bus/index.ts'
import type { ObjectClient } from '../../component/index.ts'
import { BusbarError } from '../../errors/index.ts'
import { AssociationGroups, type Caller, type RpcClient, type RpcServer } from '../../rpc/index.ts'
import { associateAsPlanned } from './associating.ts'
import { CallTable } from './call-model.ts'
import { callAsPlanned } from './calling.ts'
import type { DeskSession } from './desk.ts'
import { Machine } from './machine.ts'
import { MemoryCheck } from './memory-check.ts'
import { Network } from './network.ts'
import type { SimNode } from './node.ts'
import { passObjectsAsPlanned } from './objects/session.ts'
import { ObjectTable } from './objects/table.ts'
import { openAsPlanned } from './opening.ts'
import { PipeTable } from './pipe-model.ts'
import type { Op, Plan } from './plan.ts'
import type { Plants } from './plants.ts'
import type { Program } from './program.ts'
import type { SimRandom } from './random.ts'
import type { Report } from './report.ts'
import { RPC_SERVER_LIMITS } from './rpc-echo.ts'
import type { RpcSession } from './rpc-session.ts'
import type { Scheduler } from './scheduler.ts'
import { SimPolicy } from './sim-policy.ts'
import { TaskList } from './task-list.ts'
import { Wiring } from './wiring.ts'

/** The simulated world: a bus, partitions, what they do, and what happens to them. */
export class World {
  readonly plan: Plan
  readonly plants: Plants
  readonly report: Report
  readonly random: SimRandom
  readonly network: Network
  readonly policy: SimPolicy
  readonly wiring: Wiring
  readonly memory: MemoryCheck
  readonly pipes: PipeTable = new PipeTable()
  readonly calls: CallTable
  readonly objects: ObjectTable
  readonly desks: DeskSession[] = []
  readonly clients: { readonly client: ObjectClient; readonly node: SimNode }[] = []
  /** Both sides of every association of plain RPC. */
  readonly associations: { readonly side: RpcClient | RpcServer; readonly node: SimNode }[] = []
  /** The association groups that each process keeps for each caller, by process and caller. */
  readonly callerGroups: Map<string, { readonly groups: AssociationGroups; readonly node: SimNode }> = new Map()
  /** Those that serve plain RPC now. */
  readonly rpcSessions: Set<RpcSession> = new Set()
  /** Callers of plain RPC that had a link closed because they had others. */
  readonly cutOff: Set<string> = new Set()
  /** The last association group between two processes. */
  readonly groups: Map<string, number> = new Map()
  /** What must end by itself once the faults are over. */
  readonly tasks: TaskList
  /** What ends when the world does. */
  readonly lives: TaskList
  readonly systems: Map<SimNode, SystemObject> = new Map()
  readonly machines: readonly Machine[]
  readonly programs: readonly Program[]
  /** Settles when the faults are over. */
  readonly calm: Promise<void>
  /** Nobody attaches any more. */
  ending = false
  #calmed: () => void = () => {}
  readonly #fate: SimNode

  constructor(plan: Plan, random: SimRandom, scheduler: Scheduler, report: Report, plants: Plants = {}) {
    this.plants = plants
    this.plan = plan
    this.random = random
    this.report = report
    this.network = new Network(scheduler, random.fork('network'), report, plants)
    this.#fate = this.network.node('fate')
    this.policy = new SimPolicy(report)
    this.calls = new CallTable(report)
    this.objects = new ObjectTable(report, this.calls, plants)
    this.tasks = new TaskList(report)
    this.lives = new TaskList(report)
    this.memory = new MemoryCheck(scheduler, report)
    // The bus, and what is the bus for the programs of a machine, write nothing of their own beside control messages.
    this.network.linked = (end) => {
      if (end.node.relays) this.memory.relayed(`a link of ${end.node.name}`, end.node, end)
    }
    this.wiring = new Wiring(this.network, this.policy, this.memory, report, random.fork('wiring'), plan, plants)
    this.policy.asking = () => this.wiring.origins.asking
    this.calm = new Promise((resolve) => {
      this.#calmed = resolve
    })
    let index = 0
    this.machines = plan.machines.map((machine) => {
      const made = new Machine(this, machine, index)
      index += machine.programs
      return made
    })
    this.programs = this.machines.flatMap((machine) => machine.programs)
  }

  /** Everybody attaches, and from then on the plan happens. */
  start(): void {
    for (const machine of this.machines) machine.start()
    for (const op of this.plan.ops) this.#later(op.at, op.kind, () => this.#happen(op))
    this.#later(this.plan.calmAt, 'the faults are over', () => {
      for (const machine of this.machines) if (machine.plan.kind === 'hostile') machine.kill()
      this.#calmed()
    })
  }

  /** Whether every honest program is attached and offers its services. */
  get ready(): boolean {
    return this.machines.every((machine) => machine.plan.kind === 'hostile' || machine.ready)
  }

  /** Everything live, as plain data, for the end of a trace. */
  inspect(): unknown {
    return {
      bus: this.wiring.broker?.inspect(),
      programs: this.programs.map(({ node, endpoint }) => ({ name: node.name, endpoint: endpoint?.inspect() })),
      systems: [...this.systems].map(([node, system]) => ({ name: node.name, system: system.inspect() })),
      muxes: this.wiring.muxes.map(({ name, carrier }) => ({ name, carrier: carrier.inspect() })),
      links: this.network.open().map(([a, b]) => ({
        from: a.node.name,
        to: b.node.name,
        held: [a.inFlight, b.inFlight],
        unread: [a.unread, b.unread],
        over: [a.deaf, b.deaf],
      })),
      waiting: [...this.tasks.pending(), ...this.lives.pending()],
      timers: this.network.living().map(({ name, timers }) => ({ name, timers })),
    }
  }

  /** Everybody releases every reference that he holds, while the pipes stand. */
  releaseAll(): void {
    this.#later(0, 'everything is released', () => this.objects.releaseAll())
  }

  /** The pipes that stood until everything was released are closed. */
  part(): void {
    this.#later(0, 'pipes with objects are closed', () => this.objects.part())
  }

  /** The end of the world, in order for some and abruptly for others. */
  end(): void {
    this.ending = true
    const random = this.random.fork('end')
    for (const program of this.programs) {
      const way = random.below(4)
      if (way < 2) this.#detach(program)
      else if (way === 2) program.endpoint?.close()
    }
    this.#later(random.below(50), 'the bus is closed', () => this.wiring.broker?.close())
  }

  /** A caller whose requests are under way is killed, if that is planned. */
  killCaller({ killAfter }: Op & { kind: 'associate' }, from: Program): void {
    if (killAfter === undefined || this.network.scheduler.now + killAfter >= this.plan.calmAt) return
    const { node } = from
    this.#later(killAfter, 'a caller is killed', () => {
      if (from.node === node) this.#killProgram(from, 200)
    })
  }

  /** The association groups that a process keeps for a caller. */
  groupsOf(node: SimNode, { partition, epoch }: Caller): AssociationGroups {
    const key = `${node.id} ${partition} ${epoch}`
    let kept = this.callerGroups.get(key)
    if (kept === undefined) {
      const reassembly = this.plants.rpcLimits?.reassembly ?? RPC_SERVER_LIMITS.reassembly
      const groups = new AssociationGroups(node.env, { reassembly })
      kept = { groups: this.plants.rpcGroups?.(groups) ?? groups, node }
      this.callerGroups.set(key, kept)
    }
    return kept.groups
  }

  /** What a program has to map rings with, if it can have any. */
  ringsOf(partition: string, node: SimNode): RingMedium | undefined {
    const dials = this.machines.some(({ plan }) => plan.name === partition && plan.kind === 'dialled')
    return dials ? this.wiring.rings?.medium(node) : undefined
  }

  isTainted(partition: string): boolean {
    return this.machines.some(({ plan }) => plan.name === partition && plan.kind === 'hostile')
  }

  /** Whether a partition says who it is not in all that it asks for. */
  forges(partition: string | undefined): boolean {
    return this.machines.some(({ plan }) => plan.name === partition && plan.hostile === 'forge')
  }

  /** Something failed as it may; what must never be seen, whatever a peer or a medium does, is a bug. */
  expectFailure(what: string, thrown: unknown, tainted: boolean): BusbarError {
    const error = BusbarError.from(thrown)
    this.report.note(`${what} failed: ${error.code} ${error.message}`)
    const ours = error.code === 'INTERNAL' || (!tainted && (error.code === 'PROTOCOL' || error.code === 'MALFORMED'))
    this.report.check(!ours, 'I2', () => `${what} failed with ${error.code}: ${error.stack ?? error.message}`)
    return error
  }

  /** A session is over: always with a reason, and never because this side or the bus broke the protocol. */
  lost(node: SimNode, reason: BusbarError | undefined, tainted: boolean): void {
    this.report.check(reason !== undefined, 'I10', () => `the session of ${node.name} closed without a reason`)
    this.expectFailure(`the session of ${node.name}`, reason, tainted)
  }

  #later(delay: number, label: string, run: () => void): void {
    this.network.scheduler.after(delay, this.#fate, label, run)
  }

  #happen(op: Op): void {
    // Where only what happens is compared and not when, everybody waits until he is attached.
    const waits = !this.plan.moody && 'from' in op ? this.#program(op.from) : undefined
    if (waits?.endpoint === undefined && waits?.tainted === false) {
      return this.#later(20, op.kind, () => this.#happen(op))
    }
    switch (op.kind) {
      case 'open':
        return this.#between('open', op, openAsPlanned)
      case 'call':
        return this.#between('calls', op, callAsPlanned)
      case 'associate':
        return this.#between('requests', op, associateAsPlanned)
      case 'objects':
        return this.#between('objects', op, passObjectsAsPlanned)
      case 'withdraw':
        return this.#program(op.program).withdraw(op.backAfter)
      case 'detach':
        return this.#detach(this.#program(op.program))
      case 'deny':
      case 'allow':
        return this.policy.set(this.#program(op.from).partition, this.#program(op.to).partition, op.kind === 'allow')
      case 'break link':
        return this.#breakLink(this.#program(op.program))
      case 'attach again':
        return this.#attachAgain(this.#program(op.program))
      case 'stall':
        return this.#stall(this.#program(op.program), op.ms, op.both)
      case 'kill machine':
        return this.#killMachine(this.machines[op.machine] as Machine, op.backAfter)
      case 'kill program':
        return this.#killProgram(this.#program(op.program), op.backAfter)
      case 'restart broker':
        return this.#restartBroker(op.backAfter)
      default:
        op satisfies never
    }
  }

  #program(index: number): Program {
    return this.programs[index] as Program
  }

  #machineOf(program: Program): Machine {
    return this.machines.find((machine) => machine.programs.includes(program)) as Machine
  }

  #between<T extends { readonly from: number; readonly to: number }>(
    what: string,
    op: T,
    work: (world: World, op: T, from: Program, to: Program) => Promise<void>,
  ): void {
    const from = this.#program(op.from)
    const to = this.#program(op.to)
    this.tasks.add(`${what} from ${from.node.name} to ${to.partition}`, from.node, work(this, op, from, to))
  }

  #detach({ endpoint, node }: Program): void {
    if (endpoint === undefined) return
    const leave = async (): Promise<void> => {
      await endpoint.detach()
      this.report.sometimes('left in order')
    }
    this.tasks.add(`${node.name} leaves`, node, leave())
  }

  #breakLink({ node }: Program): void {
    const links = this.network.linksOf(node)
    if (links.length > 0) this.random.fork(`break ${this.network.scheduler.steps}`).pick(links).die()
  }

  #stall({ node }: Program, ms: number, both: boolean): void {
    for (const link of this.network.linksOf(node)) link.stall(ms, both)
  }

  #attachAgain(program: Program): void {
    const { kind } = this.#machineOf(program).plan
    if ((kind === 'mux' || kind === 'dialled') && program.endpoint !== undefined) program.attachAgain()
  }

  #killMachine(machine: Machine, backAfter: number): void {
    machine.kill()
    if (machine.plan.kind !== 'hostile' || this.network.scheduler.now + backAfter < this.plan.calmAt) {
      this.#later(backAfter, `${machine.plan.name} boots`, () => machine.start())
    }
  }

  #killProgram(program: Program, backAfter: number): void {
    const machine = this.#machineOf(program)
    if (machine.plan.kind !== 'nested') return this.#killMachine(machine, backAfter)
    program.kill()
    this.#later(backAfter, `${program.partition} program ${program.index} starts`, () => {
      if (!program.node.alive) program.start()
    })
  }

  #restartBroker(backAfter: number): void {
    if (this.wiring.broker === undefined) return
    if (this.programs.some(({ pipes }) => pipes > 0)) this.report.sometimes('broker restarted with pipes open')
    this.wiring.kill()
    this.#later(backAfter, 'the bus starts', () => this.wiring.start())
  }
}
