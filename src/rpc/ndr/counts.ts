import type { Reader, Writer } from '../../bytes/index.ts'
import type { ArrayShape, Count } from '../contract/type.ts'
import { isAnnounced, isVarying } from './wire.ts'
import { badValue, type Codec, disagrees, type Failure, malformed, type Owner, type RefPort, WORD } from './codec.ts'

/** The items of an array, whatever stands in front of them. */
export interface Items {
  /** How many items travel for a value, a terminator among them; `BAD_VALUE` when it is not one. */
  readonly count: (value: unknown) => number
  /** How many a value that was read stands for. */
  readonly travelled: (value: unknown) => number
  /** Fewest `bytes` of one. */
  readonly least: number
  readonly refs: boolean
  /** The value of so many zero items. */
  readonly zero: (count: number) => unknown
  /** At least the `bytes` that the items take. */
  readonly measure: (value: unknown) => number
  readonly write: (writer: Writer, value: unknown, count: number, port: RefPort) => void
  readonly writeLater: Codec['writeLater']
  /** Reads so many: their bytes are known to be there when each takes the least. */
  readonly read: (reader: Reader, count: number, port: RefPort) => unknown
  readonly readLater: Codec['readLater']
  /** Whether fewer than a fixed length are filled up. */
  readonly fills: boolean
}

/** What a sibling says; `undefined` when it says nothing, or was not read yet. */
function said(count: Count | undefined, owner: Owner): number | undefined {
  if (typeof count === 'number') return count
  if (count === undefined || owner === undefined) return undefined
  const value = owner[count.name]
  if (typeof value !== 'number') return undefined
  const { operator, operand = 0 } = count
  switch (operator) {
    case undefined:
      return value
    case '+':
      return value + operand
    case '-':
      return value - operand
    case '*':
      return value * operand
    case '/':
      return Math.trunc(value / operand)
  }
}

function nameOf(count: Count | undefined): string {
  return typeof count === 'object' ? `"${count.name}"` : 'the contract'
}

function agreeOn(count: Count | undefined, owner: Owner, is: number, path: string, fail: Failure): void {
  const wanted = said(count, owner)
  if (wanted !== undefined && wanted !== is) throw fail(path, `${is} where ${nameOf(count)} says ${wanted}`)
}

/** What the counts in front of the items of an array say, each compared with what a sibling says about it. */
export interface Counts {
  /** How many items travel, after all that can be wrong with it. */
  readonly counted: (value: unknown, owner: Owner) => number
  /** The maximum count to announce for so many. */
  readonly room: (count: number, owner: Owner) => number
  /** Refuses counts that were read, and more items than there are bytes for. */
  readonly confirm: (reader: Reader, owner: Owner, room: number, offset: number, count: number) => void
  readonly agree: (value: unknown, owner: Owner, fail: Failure) => void
}

export function countsOf(shape: ArrayShape, items: Items, path: string): Counts {
  const { form } = shape
  const sizeIs = form === 'conformant' || form === 'conformant-varying' ? shape.sizeIs : undefined
  const lengthIs = form === 'varying' || form === 'conformant-varying' ? shape.lengthIs : undefined
  const most = mostOf(shape)

  function agree(value: unknown, owner: Owner, fail: Failure): void {
    const is = value === undefined ? 0 : items.travelled(value)
    // A constant says nothing about an array that is not there.
    if (value === undefined && typeof sizeIs === 'number') return
    if (form !== 'conformant-varying') agreeOn(sizeIs, owner, is, path, fail)
    else if ((said(sizeIs, owner) ?? is) < is || (value === undefined && (said(sizeIs, owner) ?? 0) !== 0)) {
      throw fail(path, `${is} where ${nameOf(sizeIs)} makes room for ${said(sizeIs, owner)}`)
    }
    agreeOn(lengthIs, owner, is, path, fail)
  }

  return {
    counted(value, owner) {
      const count = items.count(value)
      if (count > most || (form === 'fixed' && !items.fills && count !== most)) {
        throw badValue(path, `${form === 'fixed' && !items.fills ? 'exactly' : 'at most'} ${most} items`, value)
      }
      if (sizeIs !== undefined || lengthIs !== undefined) agree(value, owner, disagrees)
      return form === 'fixed' ? most : count
    },
    room: (count, owner) => (form === 'conformant-varying' ? (said(sizeIs, owner) ?? count) : count),
    confirm(reader, owner, room, offset, count) {
      if (offset !== 0 || count > room) throw malformed(path, `${count} items at ${offset} in room for ${room}`)
      agreeOn(lengthIs, owner, count, path, malformed)
      agreeOn(sizeIs, owner, room, path, malformed)
      if (count * items.least > reader.left) {
        throw malformed(path, `${count} items cannot be in ${reader.left} bytes`)
      }
    },
    agree,
  }
}

function mostOf(shape: ArrayShape): number {
  return shape.form === 'varying' ? shape.most : shape.form === 'fixed' ? shape.length : Number.POSITIVE_INFINITY
}

/** Most `bytes` of what stands in front of the items with its padding, and of the items that a fixed length always has. */
export function headMost(shape: ArrayShape, least: number): number {
  const fixed = shape.form === 'fixed' ? shape.length * least : 0
  return headBytes(shape) + WORD + fixed
}

function headBytes(shape: ArrayShape): number {
  return (isAnnounced(shape) ? WORD : 0) + (isVarying(shape) ? 2 * WORD : 0)
}

/** An array of any shape: the counts in front of the items. */
export function shapedCodec(shape: ArrayShape, items: Items, path: string): Codec {
  const { counted, room, confirm, agree } = countsOf(shape, items, path)
  const announced = isAnnounced(shape)
  const varying = isVarying(shape)
  const most = mostOf(shape)
  const fixed = shape.form === 'fixed' ? most : 0

  function writeBody(writer: Writer, value: unknown, port: RefPort, owner: Owner): void {
    const count = counted(value, owner)
    if (varying) {
      writer.align(WORD)
      writer.u32(0)
      writer.u32(count)
    }
    items.write(writer, value, count, port)
  }

  function readBody(reader: Reader, port: RefPort, owner: Owner, of: number): unknown {
    let [offset, count] = [0, of]
    if (varying) {
      reader.align(WORD)
      offset = reader.u32()
      count = reader.u32()
    }
    confirm(reader, owner, of, offset, count)
    return items.read(reader, count, port)
  }

  const roomFor = (value: unknown, owner: Owner): number => room(counted(value, owner), owner)

  return {
    least: Math.max(1, headBytes(shape) + fixed * items.least),
    zero: items.zero(fixed),
    refs: items.refs,
    measure: (value) => items.measure(value) + headMost(shape, items.least),
    write(writer, value, port, owner) {
      if (announced) {
        const announce = roomFor(value, owner)
        writer.align(WORD)
        writer.u32(announce)
      }
      writeBody(writer, value, port, owner)
    },
    writeLater: items.writeLater,
    read(reader, port, owner) {
      if (!announced) return readBody(reader, port, owner, most)
      reader.align(WORD)
      return readBody(reader, port, owner, reader.u32())
    },
    readLater: items.readLater,
    agree: 'sizeIs' in shape || 'lengthIs' in shape ? agree : undefined,
    body: announced ? { room: roomFor, write: writeBody, read: readBody } : undefined,
  }
}
