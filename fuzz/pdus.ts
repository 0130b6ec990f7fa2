import { NIL_GUID, swapGuidFields } from '../src/bytes/index.ts'
import { memoryPair } from '../src/link/index.ts'
import { AssociationGroups, type InterfaceId, RpcAccess, RpcClient, RpcServer } from '../src/rpc/index.ts'
import { StillEnv } from '../src/testing/index.ts'
import { Echo, ECHO, LIMITS, lookup, OTHER } from './echo.ts'
import {
  encodeBare,
  encodeBind,
  encodeBindAck,
  encodeBindNak,
  featureSyntax,
  NDR20,
  NO_SYNTAX,
  pduBytes,
  PduCutter,
  PDUS,
  PFC,
  RESULT,
  WHOLE,
  writeFault,
  writeRequest,
  writeResponse,
} from './inside.ts'
import { pattern, settle } from './target.ts'

export type Sender = 'client' | 'server'

/** Valid PDUs of one sender. */
export type Corpus = Readonly<Record<Sender, readonly Uint8Array[]>>

const first = PFC.FIRST
const last = PFC.LAST

/** What our client and server say to each other in an ordinary exchange, cut into PDUs. */
async function recorded(): Promise<Corpus> {
  const env = new StillEnv()
  const [near, clientSide] = memoryPair()
  const [far, serverSide] = memoryPair()
  const echo = new Echo()
  const groups = new AssociationGroups(env)
  const server = new RpcServer(new RpcAccess(far), { env, limits: LIMITS, groups, lookup: lookup(echo) })
  const client = new RpcClient(new RpcAccess(near), { env, limits: LIMITS })
  const said: Record<Sender, Uint8Array[]> = { client: [], server: [] }
  const relay = async (sender: Sender): Promise<void> => {
    const [from, to] = sender === 'client' ? [clientSide, serverSide] : [serverSide, clientSide]
    const cutter = new PduCutter(65_535, (header, view, at) => {
      said[sender].push(pduBytes(header, view, at).slice())
    })
    for (let chunk = await from.read(); chunk !== undefined; chunk = await from.read()) {
      cutter.push(chunk)
      void to.write(chunk.slice())
    }
  }
  const relays = [relay('client').catch(() => {}), relay('server').catch(() => {})]
  const context = await client.bind(ECHO)
  const other = await client.bind(OTHER)
  const abort = new AbortController()
  await client.call(context, 0, pattern(20, 1))
  await client.call(other, 0, pattern(5_000, 2))
  await client.call(context, 3, pattern(8, 3), { object: NIL_GUID })
  await client.call(context, 1, pattern(8, 4)).catch(() => {})
  await client.call(context, 77, pattern(8, 4)).catch(() => {})
  const waiting = client.call(context, 2, pattern(100, 5), { signal: abort.signal }).catch(() => {})
  await settle()
  abort.abort()
  await waiting
  env.advance(LIMITS.cancelGrace)
  await settle()
  server.shutdown()
  await settle()
  client.close()
  server.close()
  await Promise.all(relays)
  return said
}

function request(id: number, opnum: number, stub: Uint8Array, flags: number, little: boolean): Uint8Array {
  const pdu = new Uint8Array(24 + stub.length)
  writeRequest(new DataView(pdu.buffer), 0, flags, pdu.length, id, stub.length, 0, opnum, little)
  pdu.set(stub, 24)
  return pdu
}

function response(id: number, stub: Uint8Array, flags: number, little: boolean): Uint8Array {
  const pdu = new Uint8Array(24 + stub.length)
  writeResponse(new DataView(pdu.buffer), 0, flags, pdu.length, id, stub.length, 0, little)
  pdu.set(stub, 24)
  return pdu
}

function fault(id: number, status: number, little: boolean): Uint8Array {
  const pdu = new Uint8Array(32)
  writeFault(new DataView(pdu.buffer), 0, id, 0, status, id % 2 === 0, little)
  return pdu
}

/** What a client offers in its bind beside an interface, and a server agrees to. */
export interface Terms {
  /** Several calls may be outstanding. */
  readonly multiplexing: boolean
  /** Bits; none are not even spoken of. */
  readonly features: number
}

/** Features that peers have: none, those of everybody else, and ours, with which fragments may mix. */
export const FEATURES = [0, 2, 3, 0x82] as const
/** What peers of other makes offer. */
const USUAL: Terms = { multiplexing: true, features: 3 }

/** `bind` 11 or `alter_context` 14 for an interface. */
export function bind(
  type: 11 | 14,
  id: number,
  of: InterfaceId,
  little: boolean,
  { multiplexing, features }: Terms = USUAL,
  size = 2_048,
): Uint8Array {
  const offer = { id: of === ECHO ? 0 : 1, abstract: of, transfers: [NDR20] }
  const spoken = { id: 0xffff, abstract: of, transfers: [featureSyntax(features)] }
  const contexts = type === 11 && features !== 0 ? [offer, spoken] : [offer]
  const flags = multiplexing ? WHOLE | PFC.CONC_MPX : WHOLE
  return encodeBind(type, flags, id, { transmit: size, receive: size, group: 0, contexts }, little)
}

/** `bind_ack` 12 or `alter_context_resp` 15. */
export function ack(type: 12 | 15, id: number, little: boolean, terms: Terms = { ...USUAL, features: 2 }): Uint8Array {
  const accepted = { result: RESULT.ACCEPTED, reason: 0, transfer: NDR20 }
  const spoken = { result: RESULT.NEGOTIATED, reason: terms.features, transfer: NO_SYNTAX }
  const results = type === 12 && terms.features !== 0 ? [accepted, spoken] : [accepted]
  const flags = terms.multiplexing ? WHOLE | PFC.CONC_MPX : WHOLE
  return encodeBindAck(type, flags, id, { transmit: 2_048, receive: 2_048, group: 9, address: '135', results }, little)
}

/** PDUs as other implementations write them: both byte orders, fragments of any size, every kind. */
function written(little: boolean): Corpus {
  const client: Uint8Array[] = [
    bind(11, 1, ECHO, little),
    bind(14, 2, OTHER, little),
    bind(11, 1, ECHO, little, USUAL, 5_840),
  ]
  const server: Uint8Array[] = [
    ack(12, 1, little),
    ack(15, 2, little),
    ack(12, 1, little, { multiplexing: false, features: 2 }),
  ]
  for (let id = 2; id < 8; id++) {
    client.push(request(id, id % 5, pattern(id * 11, id), WHOLE, little))
    client.push(request(id, 0, pattern(40, id), first, little), request(id, 0, pattern(8, id), last, little))
    client.push(request(id, 4, pattern(64, id), first, little), request(id, 4, pattern(64, id), 0, little))
    client.push(request(id, 3, new Uint8Array([...swapped(), 1, 2, 3, 4]), WHOLE | PFC.OBJECT_UUID, little))
    client.push(request(id, 0, pattern(16, id), WHOLE | PFC.MAYBE, little))
    for (const { number } of [PDUS.co_cancel, PDUS.orphaned]) client.push(encodeBare(number, id, little))
    server.push(response(id, pattern(id * 11, id), WHOLE, little))
    server.push(response(id, pattern(40, id), first, little), response(id, pattern(8, id), 0, little))
    server.push(response(id, pattern(24, id), last, little))
    server.push(fault(id, 0x1c01_0002, little), fault(id, 0xa0bb_0000 + 9001, little), fault(id, 5, little))
  }
  client.push(encodeBare(PDUS.auth3.number, 9, little))
  server.push(encodeBare(PDUS.shutdown.number, 0, little), encodeBindNak(1, 4, little))
  return { client, server }
}

function swapped(): Uint8Array {
  return swapGuidFields(pattern(16, 9))
}

/** Valid PDUs of each sender: recorded and written. */
export async function makeCorpus(): Promise<Corpus> {
  const all = [await recorded(), written(true), written(false)]
  return { client: all.flatMap(({ client }) => client), server: all.flatMap(({ server }) => server) }
}
