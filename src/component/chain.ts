import { Reader, utf8Decode, utf8Encode, Writer } from '../bytes/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { Caller, Hop } from '../rpc/index.ts'
import { endOfExtent } from './extents.ts'
import { MAX_HOPS } from './limits.ts'

/** What the bus calls partitions by (`docs/protocol/control.md`). Nothing else is taken from a peer, who may print it. */
const PARTITION = /^[a-z][a-z0-9-]{0,62}$/

/** Data of the chain extent: u16 count, then of each hop u32 epoch, u16 length and name. Of a longer chain the nearest. */
export function encodeChain(chain: readonly Caller[]): Uint8Array {
  const hops = chain.slice(-MAX_HOPS)
  const writer = new Writer()
  writer.u16(hops.length)
  for (const { partition, epoch } of hops) {
    const name = utf8Encode(partition)
    writer.u32(epoch)
    writer.u16(name.length)
    writer.bytes(name)
  }
  return writer.finish()
}

/** The hops in a chain extent, all of them claimed. `LIMIT` when there are too many, `MALFORMED` when it is no chain. */
export function decodeChain(data: Uint8Array): Hop[] {
  const reader = new Reader(data)
  const count = reader.u16()
  if (count > MAX_HOPS) throw new BusbarError('LIMIT', `a chain of ${count} callers, at most ${MAX_HOPS} are taken`)
  const hops = Array.from({ length: count }, () => readHop(reader))
  endOfExtent(reader, 'chain')
  return hops
}

function readHop(reader: Reader): Hop {
  const epoch = reader.u32()
  const partition = utf8Decode(reader.bytes(reader.u16()))
  if (!PARTITION.test(partition)) throw new BusbarError('MALFORMED', 'a chain with a name that no partition has')
  return Object.freeze({ partition, epoch, attested: false })
}
