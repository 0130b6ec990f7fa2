import type { PipeMode } from '../../bus/index.ts'
import { drawObjectOps, type ObjectsOp } from './objects/plan.ts'
import type { SimRandom } from './random.ts'
import { RPC_OPERATIONS, type RpcOperation } from './rpc-echo.ts'
import { type BindMask, INTERLEAVED } from './rpc-middle.ts'

/** How a partition is joined to the bus. */
export type MachineKind =
  /** One mux link. */
  | 'mux'
  /** A link for each channel. */
  | 'dialled'
  /** A mux link held by a system object, with programs behind it that dial. */
  | 'nested'
  /** A mux link in the hands of someone who breaks the protocol. */
  | 'hostile'

/** What a hostile partition does with its link. */
export type HostileStyle =
  /** Random bytes from the start. */
  | 'noise'
  /** An ordinary partition whose bytes are damaged from some point on. */
  | 'damage'
  /** Well-formed control messages that make no sense or lie. */
  | 'forge'

export interface MachinePlan {
  readonly name: string
  readonly kind: MachineKind
  /** Programs in it: more than one only behind a system object. */
  readonly programs: number
  readonly hostile?: HostileStyle
}

/** What one end of a pipe does. */
export interface SidePlan {
  /** Sizes of its writes, `bytes`; each is one message in message mode. */
  readonly writes: readonly number[]
  /** Virtual `ms` between writes. */
  readonly gap: number
  /** Reads at once, with pauses, or not before the faults are over. */
  readonly reads: 'eagerly' | 'slowly' | 'never'
  readonly finish: 'end' | 'close'
  /** Closes after so many virtual `ms`, whatever it is doing. */
  readonly closeAfter?: number
}

/** One call of a session. */
export interface CallPlan {
  readonly method: 'reverse' | 'wait' | 'fail' | 'sum' | 'count'
  /** Virtual `ms` after the session began. */
  readonly after: number
  /** `bytes`, virtual `ms`, additions or items, as the method has it. */
  readonly size: number
  /** Items that are taken of a stream before it is left. */
  readonly takes?: number
  readonly deadline?: number
  readonly cancelAfter?: number
}

/** One request of plain RPC. */
export interface RequestPlan {
  readonly operation: RpcOperation
  /** Virtual `ms` after the association began. */
  readonly after: number
  /** `bytes` behind the head. */
  readonly size: number
  /** Virtual `ms` that the operation takes, if it takes any. */
  readonly wait: number
  readonly cancelAfter?: number
}

/** One thing that happens to the world, `at` virtual `ms`. Indices are those of the programs or machines of the plan. */
export type Op =
  | {
      readonly kind: 'open'
      readonly at: number
      readonly from: number
      readonly to: number
      readonly mode: PipeMode
      readonly wait: boolean
      readonly deadline?: number
      readonly cancelAfter?: number
      readonly client: SidePlan
      readonly server: SidePlan
    }
  | {
      readonly kind: 'call'
      readonly at: number
      readonly from: number
      readonly to: number
      readonly wait: boolean
      readonly calls: readonly CallPlan[]
      /** Releases everything before it closes the pipe. */
      readonly release: boolean
      readonly closeAfter?: number
    }
  | {
      readonly kind: 'associate'
      readonly at: number
      readonly from: number
      readonly to: number
      readonly wait: boolean
      /** Asks for a new association group, or for one that was there before or never. */
      readonly group: 'new' | 'stale'
      /** Links in one association group. */
      readonly links: number
      readonly requests: readonly RequestPlan[]
      /** Somebody in the middle makes a peer of it that agrees to less. */
      readonly mask?: BindMask
      readonly closeAfter?: number
      /** The caller is killed so many virtual `ms` after it was bound. */
      readonly killAfter?: number
    }
  | ObjectsOp
  | { readonly kind: 'withdraw'; readonly at: number; readonly program: number; readonly backAfter: number }
  | { readonly kind: 'detach'; readonly at: number; readonly program: number }
  | { readonly kind: 'deny' | 'allow'; readonly at: number; readonly from: number; readonly to: number }
  | { readonly kind: 'break link'; readonly at: number; readonly program: number }
  | { readonly kind: 'attach again'; readonly at: number; readonly program: number }
  | {
      readonly kind: 'stall'
      readonly at: number
      readonly program: number
      readonly ms: number
      readonly both: boolean
    }
  | { readonly kind: 'kill machine'; readonly at: number; readonly machine: number; readonly backAfter: number }
  | { readonly kind: 'kill program'; readonly at: number; readonly program: number; readonly backAfter: number }
  | { readonly kind: 'restart broker'; readonly at: number; readonly backAfter: number }

/** A whole run, as data: it can be printed, and shortened until only what matters is left. */
export interface Plan {
  readonly seed: number
  readonly machines: readonly MachinePlan[]
  /** Channels that one session may have. */
  readonly channels: number
  /** Channels between processes of one host may go over to rings. */
  readonly rings: boolean
  /** Programs refuse now and then what they offer, answer late, or never. */
  readonly moody: boolean
  /** Virtual `ms` that one event takes at most. */
  readonly stepTime: number
  /** Faults are over by then. */
  readonly calmAt: number
  readonly ops: readonly Op[]
}

/** How many seeds have sessions with objects. */
const OBJECT_SEEDS = 0.4
/** The same for rings. */
const RING_SEEDS = 0.3

const NAMES = ['ada', 'bob', 'cyd', 'dan', 'eve', 'fay'] as const

export function drawPlan(seed: number, random: SimRandom): Plan {
  const rings = random.fork('rings').chance(RING_SEEDS)
  const machines = drawMachines(random.fork('machines'), rings)
  const programs = machines.reduce((sum, machine) => sum + machine.programs, 0)
  const calmAt = random.pick([500, 2000, 6000])
  const ops = random.fork('ops')
  // Some worlds pass references around, with less beside it.
  const objects = random.chance(OBJECT_SEEDS) ? drawObjectOps(random.fork('objects'), calmAt, programs) : []
  const count = objects.length > 0 ? random.between(8, 20) : random.between(8, 36)
  const faults = random.chance(0.85)
  const drawn = Array.from({ length: count }, () => drawOp(ops, ops.below(calmAt), programs, machines.length, faults))
  return {
    seed,
    machines,
    channels: random.pick([3, 8, 200, 200]),
    rings,
    moody: true,
    stepTime: random.pick([0, 0, 0.05, 0.5]),
    calmAt,
    ops: [...drawn, ...objects].toSorted((a, b) => a.at - b.at),
  }
}

function drawMachines(random: SimRandom, rings: boolean): MachinePlan[] {
  const count = random.between(2, 5)
  const honest = NAMES.slice(0, count).map((name): MachinePlan => {
    const drawn = random.pick(['mux', 'mux', 'dialled', 'nested'] as const)
    // Only those that dial have rings.
    const kind = rings && random.chance(0.8) ? 'dialled' : drawn
    return { name, kind, programs: kind === 'nested' ? random.between(1, 2) : 1 }
  })
  if (!random.chance(0.25)) return honest
  const hostile = random.pick(['noise', 'damage', 'forge'] as const)
  return [...honest, { name: 'mal', kind: 'hostile', programs: 1, hostile }]
}

function drawOp(random: SimRandom, at: number, programs: number, machines: number, faults: boolean): Op {
  const program = random.below(programs)
  const draw = random.below(100)
  if (draw < 21) return drawCalls(random, at, programs)
  if (draw < 29) return drawAssociation(random, at, programs, faults)
  if (!faults || draw < 66) return drawOpen(random, at, programs)
  if (draw < 73) return { kind: 'withdraw', at, program, backAfter: random.between(1, 300) }
  if (draw < 76) return { kind: 'detach', at, program }
  if (draw < 80) return { kind: 'deny', at, from: program, to: random.below(programs) }
  if (draw < 82) return { kind: 'allow', at, from: program, to: random.below(programs) }
  if (draw < 86) return { kind: 'break link', at, program }
  if (draw < 88) return { kind: 'attach again', at, program }
  if (draw < 93) return { kind: 'stall', at, program, ms: random.sized(3000), both: random.chance(0.5) }
  if (draw < 96) return { kind: 'kill machine', at, machine: random.below(machines), backAfter: random.sized(1000) }
  if (draw < 98) return { kind: 'kill program', at, program, backAfter: random.sized(1000) }
  return { kind: 'restart broker', at, backAfter: random.sized(1000) }
}

function drawOpen(random: SimRandom, at: number, programs: number): Op {
  const flood = random.chance(0.04)
  return {
    kind: 'open',
    at,
    from: random.below(programs),
    to: random.below(programs),
    mode: random.chance(0.4) ? 'message' : 'byte',
    wait: random.chance(0.3),
    ...(random.chance(0.2) ? { deadline: random.sized(400) } : {}),
    ...(random.chance(0.15) ? { cancelAfter: random.below(20) } : {}),
    client: drawSide(random, flood),
    server: flood ? { ...drawSide(random, false), reads: 'never' } : drawSide(random, false),
  }
}

function drawSide(random: SimRandom, flood: boolean): SidePlan {
  const writes = flood
    ? Array.from({ length: random.between(9, 18) }, () => 60_000)
    : Array.from({ length: random.sized(12) - 1 }, () => random.sized(random.chance(0.1) ? 30_000 : 2000))
  return {
    writes,
    gap: random.pick([0, 0, 0, 3]),
    reads: random.pick(['eagerly', 'eagerly', 'eagerly', 'slowly', 'never'] as const),
    finish: random.chance(0.75) ? 'end' : 'close',
    ...(random.chance(0.15) ? { closeAfter: random.sized(500) } : {}),
  }
}

function drawCalls(random: SimRandom, at: number, programs: number): Op {
  return {
    kind: 'call',
    at,
    from: random.below(programs),
    to: random.below(programs),
    wait: random.chance(0.5),
    calls: Array.from({ length: random.sized(10) }, () => drawCall(random)),
    release: random.chance(0.6),
    ...(random.chance(0.1) ? { closeAfter: random.sized(300) } : {}),
  }
}

function drawAssociation(random: SimRandom, at: number, programs: number, faults: boolean): Op {
  // Ends in the middle of requests that have many fragments.
  const abrupt = faults && random.chance(0.25)
  const middle = random.fork(`middle ${at}`)
  const mask = { features: middle.pick([0, 0xff ^ INTERLEAVED]), multiplexing: middle.chance(0.5) }
  return {
    kind: 'associate',
    at,
    from: random.below(programs),
    to: random.below(programs),
    wait: random.chance(0.5),
    group: random.chance(0.15) ? 'stale' : 'new',
    links: random.chance(0.3) ? 2 : middle.pick([1, 1, 1, 1, 5]),
    requests: Array.from({ length: (abrupt ? 8 : 0) + random.sized(16) }, () => drawRequest(random, abrupt)),
    ...(middle.chance(abrupt ? 0.1 : 0.4) ? { mask } : {}),
    ...(random.chance(0.1) ? { closeAfter: random.sized(300) } : {}),
    ...(abrupt ? { killAfter: random.sized(30) } : {}),
  }
}

function drawRequest(random: SimRandom, large: boolean): RequestPlan {
  const operation = random.chance(0.1) ? 'grow' : random.pick(RPC_OPERATIONS.slice(0, 3))
  return {
    operation,
    after: random.pick([0, 0, random.sized(200)]),
    size: large || random.chance(0.3) ? random.between(1_000, 14_000) : random.sized(1_500),
    wait: random.sized(400),
    ...(random.chance(0.3) ? { cancelAfter: random.below(60) } : {}),
  }
}

function drawCall(random: SimRandom): CallPlan {
  const method = random.pick(['reverse', 'reverse', 'wait', 'fail', 'sum', 'count'] as const)
  const after = random.pick([0, 0, random.sized(200)])
  const watched = {
    ...(random.chance(0.15) ? { deadline: random.sized(100) } : {}),
    ...(random.chance(0.2) ? { cancelAfter: random.below(60) } : {}),
  }
  if (method === 'reverse')
    return { method, after, size: random.sized(random.chance(0.05) ? 70_000 : 1500), ...watched }
  if (method === 'count')
    return {
      method,
      after,
      size: random.sized(300),
      ...(random.chance(0.3) ? { takes: random.sized(20) } : {}),
      ...watched,
    }
  return { method, after, size: random.sized(100), ...watched }
}
