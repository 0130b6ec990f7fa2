/** A client of `bench.Socket` that does its worst, on plain sockets: whatever the server cuts off is opened again. */
import { connect, type Socket } from 'node:net'
import { contract, method, t } from 'busbar/rpc'
import { serve } from './serve.ts'

type Request =
  | { do: 'attack'; kind: Kind; path: string; links?: number }
  | { do: 'burn'; share: number }
  | { do: 'stop' }

/** What was done since the attack began. */
export interface Damage {
  /** Sent, `bytes`. */
  readonly bytes: number
  /** Links that the server closed. */
  readonly cut: number
}

interface Attack {
  /** Links at a time. */
  readonly links: number
  /** Chunks that one link gives in one turn. */
  readonly burst: number
  readonly reads: boolean
  /** What goes out on one link, after the bind: as long as there is more and the server takes it. */
  readonly next: () => () => Uint8Array
}

const { uuid } = contract('bench.Socket', { version: '1.0' }, { echo: method({ data: t.bytes }, t.bytes) })
const NDR20 = '8a885d04-1ceb-11c9-9fe8-08002b104860'
const [REQUEST, BIND, ALTER] = [0, 11, 14]
const [FIRST, LAST, CONC_MPX] = [1, 2, 0x10]
const FRAGMENT = 65_528
/** Small PDUs leave together, `bytes`. */
const BATCH = 65_536

function pdu(type: number, flags: number, callId: number, body: Uint8Array, length = 16 + body.length): Buffer {
  const all = Buffer.alloc(16 + body.length)
  all.set([5, 0, type, flags, 0x10])
  all.writeUInt16LE(length, 8)
  all.writeUInt32LE(callId, 12)
  all.set(body, 16)
  return all
}

function request(callId: number, flags: number, stub: Uint8Array, hint = stub.length): Buffer {
  const body = Buffer.alloc(8 + stub.length)
  body.writeUInt32LE(hint)
  body.set(stub, 8)
  return pdu(REQUEST, flags, callId, body)
}

/** A syntax as it is on the wire: the first three fields of the UUID are little-endian. */
function syntax(id: string, version: number): Buffer {
  const bytes = Buffer.alloc(20)
  bytes.write(id.replaceAll('-', ''), 'hex')
  bytes.subarray(0, 4).reverse()
  bytes.subarray(4, 6).reverse()
  bytes.subarray(6, 8).reverse()
  bytes.writeUInt32LE(version, 16)
  return bytes
}

function bind(type: number, callId: number, firstContext: number, contexts: number): Buffer {
  const front = Buffer.alloc(12)
  front.writeUInt16LE(FRAGMENT)
  front.writeUInt16LE(FRAGMENT, 2)
  front[8] = contexts
  const each = Array.from({ length: contexts }, (_, i) => {
    const id = Buffer.from([0, 0, 1, 0])
    id.writeUInt16LE((firstContext + i) & 0xffff)
    return Buffer.concat([id, syntax(uuid, 1), syntax(NDR20, 2)])
  })
  return pdu(type, FIRST | LAST | CONC_MPX, callId, Buffer.concat([front, ...each]))
}

/** The stub of `echo` with so many bytes, and a count that may be another: the count, a reference that is not null, the count again, the bytes. */
function stub(size: number, count = size): Buffer {
  const bytes = Buffer.alloc(12 + size)
  for (const [at, value] of [count, 0x2_0000, count].entries()) bytes.writeUInt32LE(value, 4 * at)
  return bytes
}

function batch(make: (callId: number) => Buffer): Buffer {
  const all: Buffer[] = []
  for (let size = 0, callId = 2; size < BATCH; callId++) {
    const one = make(callId)
    size += one.length
    all.push(one)
  }
  return Buffer.concat(all)
}

const again = (bytes: Buffer) => (): (() => Buffer) => () => bytes

const ATTACKS = {
  /** 65,535 contexts, 255 at a time. */
  contexts: {
    links: 4,
    burst: 4,
    reads: true,
    next: () => {
      let id = 1
      return () => {
        id += 255
        return bind(ALTER, id, id, 255)
      }
    },
  },
  /** One request in the largest fragments, without end. */
  fragments: {
    links: 4,
    burst: 4,
    reads: true,
    next: () => {
      const data = Buffer.alloc(FRAGMENT - 24)
      const [first, more] = [request(2, FIRST, data), request(2, 0, data)]
      let begun = false
      return () => {
        if (begun) return more
        begun = true
        return first
      }
    },
  },
  /** Requests of two small fragments that announce almost as much as may come. */
  'alloc-hints': {
    links: 4,
    burst: 4,
    reads: true,
    next: again(
      batch((id) => Buffer.concat([request(id, FIRST, stub(32), 4_000_000), request(id, LAST, Buffer.alloc(8))])),
    ),
  },
  /** PDUs that cannot be: each costs the link. */
  'frag-lengths': {
    links: 16,
    burst: 4,
    reads: true,
    next: again(pdu(REQUEST, FIRST | LAST, 2, Buffer.alloc(8), 0xffff)),
  },
  /** Arrays that claim to have 4,294,967,295 items. */
  counts: {
    links: 4,
    burst: 4,
    reads: true,
    next: again(batch((id) => request(id, FIRST | LAST, stub(4, 0xffff_ffff)))),
  },
  /** Calls whose answers are never read. */
  'never-reads': {
    links: 64,
    burst: 1,
    reads: false,
    next: again(batch((id) => request(id, FIRST | LAST, stub(8_000)))),
  },
  /** Links that give a byte at a time. */
  'slow-loris': {
    links: 256,
    burst: 1,
    reads: true,
    next: () => {
      const all = request(2, FIRST | LAST, Buffer.alloc(1_000))
      let at = 0
      return () => {
        const byte = all.subarray(at, at + 1)
        at = (at + 1) % all.length
        return byte
      }
    },
  },
  /** Good calls, as many as the server takes. */
  calls: { links: 4, burst: 4, reads: true, next: again(batch((id) => request(id, FIRST | LAST, stub(100)))) },
} satisfies Record<string, Attack>

export type Kind = keyof typeof ATTACKS

/** A neighbour works so long and then waits, `milliseconds`. */
const BURNS = 10

let [bytes, cut, going] = [0, 0, false]
const open = new Set<Socket>()

function attackOn(path: string, attack: Attack): void {
  const socket = connect(path)
  open.add(socket)
  const next = attack.next()
  const send = (chunk: Uint8Array): boolean => {
    bytes += chunk.length
    return socket.write(chunk)
  }
  const push = (): void => {
    // A server that reads as fast as this writes must not keep it from its other links.
    for (let i = 0; i < attack.burst; i++) {
      if (!going || socket.destroyed) return
      if (!send(next())) return void socket.once('drain', push)
    }
    setImmediate(push)
  }
  if (attack.reads) socket.resume()
  else socket.pause()
  socket.on('error', () => {})
  socket.on('end', () => socket.destroy())
  socket.on('close', () => {
    open.delete(socket)
    if (!going) return
    cut++
    setImmediate(attackOn, path, attack)
  })
  socket.once('connect', () => {
    send(bind(BIND, 1, 0, 1))
    push()
  })
}

let burning: NodeJS.Timeout | undefined

/** Needs a share of a processor, and does nothing. */
function burn(share: number): void {
  const until = performance.now() + BURNS
  while (performance.now() < until);
  burning = setTimeout(burn, BURNS / share - BURNS, share)
}

serve(async (request: Request): Promise<Damage | undefined> => {
  if (request.do === 'attack') {
    ;[bytes, cut, going] = [0, 0, true]
    const attack: Attack = ATTACKS[request.kind]
    for (let i = 0; i < (request.links ?? attack.links); i++) attackOn(request.path, attack)
    return undefined
  }
  if (request.do === 'burn') {
    burn(request.share)
    return undefined
  }
  going = false
  clearTimeout(burning)
  for (const socket of open) socket.destroy()
  return { bytes, cut }
})
