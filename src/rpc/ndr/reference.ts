import type { Contract } from '../contract/contract.ts'
import { type Codec, malformed, NO_REFERENCE, WORD } from './codec.ts'
import { nullable } from './pointer.ts'

/** An OBJREF is longer than this by far, yet not more than a page of string bindings; bytes (our choice). */
const MAX_REFERENCE = 65_536
/** What to reckon with for one of ours, `bytes`. */
const USUAL_REFERENCE = 96

/**
 * MInterfacePointer: a conformant structure, so its array size stands in front of the whole structure (C706, 14.3.7.2;
 * MS-DCOM 2.2.14). The bytes inside are an OBJREF, which only the port understands.
 */
function interfacePointer(contract: () => Contract, path: string): Codec {
  return {
    least: 2 * WORD,
    zero: NO_REFERENCE,
    refs: true,
    measure: () => USUAL_REFERENCE,
    write(writer, value, port) {
      const reference = port.give(contract(), value)
      writer.align(WORD)
      writer.u32(reference.length)
      writer.u32(reference.length)
      writer.bytes(reference)
    },
    writeLater: undefined,
    read(reader, port) {
      reader.align(WORD)
      const room = reader.u32()
      const length = reader.u32()
      if (room !== length || length > MAX_REFERENCE) {
        throw malformed(path, `an interface pointer of ${length} bytes in room for ${room}`)
      }
      return port.take(contract(), reader.bytes(length))
    },
    readLater: undefined,
  }
}

/** An interface pointer that may be null, for `t.optional(t.ref(...))`. */
export function optionalReference(contract: () => Contract, path: string): Codec {
  return nullable(interfacePointer(contract, path), undefined, undefined)
}

/** An interface pointer that a successful call never leaves null. */
export function referenceCodec(contract: () => Contract, path: string): Codec {
  const codec = nullable(interfacePointer(contract, path), NO_REFERENCE, NO_REFERENCE)
  return {
    ...codec,
    read(reader, port, owner) {
      const begun = codec.read(reader, port, owner)
      if (begun !== true) throw malformed(path, 'a null reference')
      return begun
    },
  }
}
