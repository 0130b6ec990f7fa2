import { BusbarError } from '../src/errors/index.ts'
import { type MemoryLink, memoryPair } from '../src/link/index.ts'
import {
  AssociationGroups,
  type IncomingCall,
  type PresentationContext,
  RpcAccess,
  RpcClient,
  RpcServer,
} from '../src/rpc/index.ts'
import { StillEnv } from '../src/testing/index.ts'
import { Echo, ECHO, LIMITS, lookup } from './echo.ts'
import { PduCutter, SimRandom } from './inside.ts'
import { chunks, joined, mutateBytes, mutatePdu } from './mutate.ts'
import { ack, bind, type Corpus, FEATURES, type Sender, type Terms } from './pdus.ts'
import { check, pattern, settle, type Target } from './target.ts'

/** Role and terms, and seed of the chunking, in front of the stream, `bytes`. */
const HEAD = 5
/** Nothing of a stream may depend on how fast its answers are read. */
const PATIENT = { ...LIMITS, unsent: 1 << 20, backlog: 1 << 24 }
/** What a side may say about a peer that broke the protocol. */
const BREACHES = new Set(['MALFORMED', 'PROTOCOL', 'VERSION', 'DENIED', 'LIMIT'])
/** What a client says besides: the server said no, or left. */
const LEAVING = new Set([...BREACHES, 'PEER_DIED', 'CLOSED', 'BUSY', 'RESET'])

/** What one stream led to. */
interface Outcome {
  /** Everything that was handed out, dispatched or answered. */
  readonly seen: readonly string[]
  readonly code: string
  /** What was sent back. How much of it a link that closes still delivers is not promised. */
  readonly sent: Uint8Array
}

/**
 * Streams of PDUs, whole or damaged, cut into chunks anywhere: to the cutter, to a server and to a client. However a stream
 * is cut, it means the same; a peer that breaks the protocol is told apart from one that does not by a code of the layer;
 * nothing is held above a limit, and nothing is left.
 */
export function pduStreams(corpus: Corpus): Target {
  return {
    name: 'pdu',
    draw(random) {
      const sender: Sender = random.chance(0.6) ? 'client' : 'server'
      const head = random.fill(new Uint8Array(HEAD))
      head[0] = ((head[0] ?? 0) & 0xfe) | (sender === 'client' ? 0 : 1)
      const pdus = Array.from({ length: random.sized(10) }, () => {
        const pdu = random.pick(corpus[random.chance(0.97) ? sender : 'client'])
        return random.chance(0.3) ? mutatePdu(random, pdu) : pdu
      })
      // Our own bind, or that of somebody who offers less, in either byte order.
      if (sender === 'client' && random.chance(0.9)) {
        const terms = { multiplexing: random.chance(0.5), features: random.pick(FEATURES) }
        const drawn = bind(11, 1, ECHO, random.chance(0.5), terms)
        pdus.unshift(random.chance(0.3) ? (corpus.client[0] ?? drawn) : drawn)
      }
      const stream = joined(pdus)
      return joined([head, random.chance(0.1) ? mutateBytes(random, stream) : stream])
    },
    async run(input) {
      const head = new DataView(Uint8Array.from({ length: HEAD }, (_, at) => input[at] ?? 0).buffer)
      const stream = input.slice(HEAD)
      const cuts = (): Iterable<Uint8Array> => chunks(new SimRandom(`${head.getUint32(1)}`), stream)
      same('the cutter', cut([stream]), cut(cuts()))
      const role = head.getUint8(0)
      const terms = { multiplexing: (role & 2) === 0, features: FEATURES[(role >> 2) & 3] ?? 0 }
      const toThis = (pieces: Iterable<Uint8Array>): Promise<Outcome> => toClient(pieces, terms)
      const play = role % 2 === 0 ? toServer : toThis
      const hasty = head.getUint8(1) % 2 === 0
      const whole = await play([stream], hasty)
      same(play === toServer ? 'a server' : 'a client', whole, await play(cuts(), hasty))
      return `${whole.code} ${whole.seen.join()}`
    },
  }
}

function same(who: string, whole: Outcome, parts: Outcome): void {
  const [a, b] = [whole, parts].map(({ code, seen }) => `${code}: ${seen.join(', ')}`)
  check(a === b, () => `${who} makes of one chunk\n${a}\nand of several\n${b}`)
  const length = Math.min(whole.sent.length, parts.sent.length)
  const equal = Buffer.compare(whole.sent.subarray(0, length), parts.sent.subarray(0, length)) === 0
  check(equal, () => `${who} answers one chunk otherwise than several`)
}

function cut(pieces: Iterable<Uint8Array>): Outcome {
  const seen: string[] = []
  const cutter = new PduCutter(LIMITS.fragment, ({ type, length }, view, at) => {
    seen.push(`${type} ${Buffer.from(view.buffer, at, length).toString('hex')}`)
  })
  let code = 'none'
  try {
    for (const piece of pieces) {
      cutter.push(piece)
      check(cutter.held <= LIMITS.fragment, () => `the cutter holds ${cutter.held} bytes`)
    }
    code = `held ${cutter.held}`
  } catch (thrown) {
    code = codeOf(thrown)
    check(code === 'MALFORMED', () => `the cutter threw ${String(thrown)}`)
  }
  return { seen, code, sent: new Uint8Array(0) }
}

async function toServer(pieces: Iterable<Uint8Array>, hasty: boolean): Promise<Outcome> {
  const env = new StillEnv()
  const groups = new AssociationGroups(env, { reassembly: LIMITS.reassembly })
  const [link, far] = memoryPair()
  const echo = new Prompt()
  const server = new RpcServer(new RpcAccess(far), { env, limits: PATIENT, groups, lookup: lookup(echo) })
  const answers = readAll(link)
  for (const piece of pieces) {
    void link.write(piece.slice())
    await Promise.resolve()
    const { memory, calls, contexts } = server.inspect()
    check(memory.partial <= LIMITS.fragment, () => `${memory.partial} bytes of a PDU are held`)
    check(memory.reassembly <= LIMITS.reassembly, () => `${memory.reassembly} bytes of requests are held`)
    check(calls.running <= LIMITS.calls, () => `${calls.running} calls run`)
    check(contexts.length <= LIMITS.contexts, () => `${contexts.length} contexts`)
  }
  await settle()
  void link.end()
  await settle()
  // Half of the clients read why, the others are gone before the server stops waiting for that.
  if (hasty) link.close()
  else env.advance(LIMITS.linger)
  await settle()
  const closed = await server.closed
  check(closed === undefined || BREACHES.has(closed.code), () => `a server closed with ${closed?.stack}`)
  const { state, calls, memory } = server.inspect()
  const left = calls.running + memory.unsent + memory.partial + memory.reassembly + groups.size + env.timers
  check(
    state === 'closed' && left === 0,
    () => `a server left ${JSON.stringify(server.inspect())}, ${env.timers} timers`,
  )
  return { seen: echo.seen, code: closed?.code ?? 'none', sent: await answers }
}

async function toClient(pieces: Iterable<Uint8Array>, terms: Terms): Promise<Outcome> {
  const env = new StillEnv()
  const [far, link] = memoryPair()
  const client = new RpcClient(new RpcAccess(far), { env, limits: PATIENT })
  const requests = readAll(link)
  const seen: string[] = []
  const bound: Promise<PresentationContext> = client.bind(ECHO)
  void link.write(ack(12, 1, true, terms))
  const context = await bound
  const calls = Array.from({ length: 6 }, async (_, at) => {
    try {
      const { stub, little } = await client.call(context, at, pattern(20, at))
      seen.push(`${at} ${little} ${Buffer.from(stub).toString('hex')}`)
    } catch (thrown) {
      seen.push(`${at} ${codeOf(thrown)}`)
    }
  })
  await settle()
  for (const piece of pieces) {
    void link.write(piece.slice())
    await Promise.resolve()
    const { memory } = client.inspect()
    check(memory.partial <= LIMITS.fragment, () => `${memory.partial} bytes of a PDU are held`)
    check(memory.reassembly <= LIMITS.reassembly, () => `${memory.reassembly} bytes of responses are held`)
  }
  await settle()
  void link.end()
  await settle()
  client.close()
  await settle()
  check(seen.length === calls.length, () => `${calls.length - seen.length} calls did not settle`)
  const closed = await client.closed
  check(closed === undefined || LEAVING.has(closed.code), () => `a client closed with ${closed?.stack}`)
  const view = client.inspect()
  const { pending, queued, cancelled } = view.calls
  const { unsent, partial, reassembly } = view.memory
  const left = pending + queued + cancelled + unsent + partial + reassembly + env.timers
  check(view.state === 'closed' && left === 0, () => `a client left ${JSON.stringify(view)}, ${env.timers} timers`)
  return { seen, code: closed?.code ?? 'none', sent: await requests }
}

/** Answers at once or never, so that nothing depends on the order of microtasks. */
class Prompt extends Echo {
  override dispatch(call: IncomingCall): Uint8Array | Promise<Uint8Array> {
    const answer = super.dispatch(call)
    return call.opnum === 4 ? call.stub : answer
  }
}

async function readAll(link: MemoryLink): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  try {
    for (let chunk = await link.read(); chunk !== undefined; chunk = await link.read()) all.push(chunk.slice())
  } catch {
    // Closed by the other side: what came until then counts.
  }
  return joined(all)
}

function codeOf(thrown: unknown): string {
  check(
    thrown instanceof BusbarError && thrown.code !== 'INTERNAL',
    () => `not an error of the layer: ${String(thrown)}`,
  )
  return (thrown as BusbarError).code
}
