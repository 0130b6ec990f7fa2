import type { SimRandom } from '../random.ts'

/** What a program does with references. */
export type ObjectAct =
  | 'make'
  | 'find'
  | 'keep'
  | 'echo'
  | 'ask'
  | 'stuff'
  | 'compare'
  | 'drop'
  /** Calls an object that it holds, of whatever partition. */
  | 'call'
  /** Swaps what is in a box that it holds. */
  | 'swap'
  /** Calls such an object for a stream: in the result, in the arguments, in both. */
  | 'flow'
  | 'pour'
  | 'relay'
  | 'query'
  | 'same'
  | 'release'
  /** Calls what it has released. */
  | 'misuse'

/** A stream of numbers, and how it is read. */
export interface StreamPlan {
  readonly items: number
  /** It breaks behind the last of them. */
  readonly breaks: boolean
  /** The reader leaves after so many. */
  readonly takes?: number
  /** Virtual `ms` that both of them take a rest for now and then. */
  readonly pause: number
}

/** One step of a session with objects. */
export interface ObjectStep {
  readonly act: ObjectAct
  /** Virtual `ms` after the step before. */
  readonly after: number
  /** Which of the references that the process holds: any number, taken modulo how many there are. */
  readonly pick: number
  /** The same for a second one, at the other end for some acts. */
  readonly other: number
  /** Things, times, virtual `ms` or `bytes`, as the act has it. */
  readonly size: number
  readonly stream?: StreamPlan
  readonly deadline?: number
  readonly cancelAfter?: number
  /** The next step does not wait for this one. */
  readonly overlaps: boolean
}

/** A program activates the component of another, and passes references to and fro. Indices are those of the programs of the plan. */
export interface ObjectsOp {
  readonly kind: 'objects'
  readonly at: number
  readonly from: number
  readonly to: number
  readonly wait: boolean
  readonly steps: readonly ObjectStep[]
  /** The pipe stays until the faults are over and everybody has released everything. */
  readonly lingers: boolean
  /** Closes the pipe after so many virtual `ms`, whatever is held. */
  readonly closeAfter?: number
}

const ACTS: readonly ObjectAct[] = [
  ...(['make', 'find', 'find', 'keep', 'keep', 'keep', 'echo', 'echo', 'ask', 'stuff', 'compare', 'drop'] as const),
  ...([
    'call',
    'call',
    'call',
    'call',
    'swap',
    'swap',
    'flow',
    'flow',
    'pour',
    'pour',
    'relay',
    'relay',
    'query',
    'query',
    'same',
    'release',
    'release',
    'release',
  ] as const),
  'misuse',
]

/** Most items of one stream: more than two pages are given at once. */
const MOST_STREAMED = 300

/** Most references that one act passes. */
const MOST_THINGS = 3

/** Sessions with objects between `programs` programs. */
export function drawObjectOps(random: SimRandom, calmAt: number, programs: number): ObjectsOp[] {
  return Array.from({ length: random.between(3, 9) }, () => drawObjects(random, random.below(calmAt), programs))
}

function drawObjects(random: SimRandom, at: number, programs: number): ObjectsOp {
  return {
    kind: 'objects',
    at,
    from: random.below(programs),
    to: random.below(programs),
    wait: random.chance(0.7),
    steps: Array.from({ length: random.between(3, 16) }, () => drawStep(random)),
    lingers: random.chance(0.6),
    ...(random.chance(0.15) ? { closeAfter: random.sized(800) } : {}),
  }
}

function drawStep(random: SimRandom): ObjectStep {
  const act = random.pick(ACTS)
  return {
    act,
    after: random.pick([0, 0, 0, random.sized(100)]),
    pick: random.below(1_000),
    other: random.below(1_000),
    size: act === 'keep' && random.chance(0.1) ? random.sized(14_000) : random.below(MOST_THINGS + 1),
    ...(random.chance(0.1) ? { deadline: random.sized(200) } : {}),
    ...(random.chance(0.15) ? { cancelAfter: random.below(40) } : {}),
    overlaps: random.chance(0.25),
    ...(act === 'flow' || act === 'pour' || act === 'relay' ? { stream: drawStream(random) } : {}),
  }
}

function drawStream(random: SimRandom): StreamPlan {
  const items = random.chance(0.3) ? random.sized(MOST_STREAMED) : random.below(12)
  return {
    items,
    breaks: random.chance(0.25),
    ...(random.chance(0.25) && items > 0 ? { takes: random.between(1, items) } : {}),
    pause: random.chance(0.5) ? random.below(40) : 0,
  }
}
