import { setTimeout as sleep } from 'node:timers/promises'
import { BusbarError } from '../../errors/index.ts'
import { contract, method, type PlainImplementation, t } from '../../rpc/index.ts'

const { idl } = t

const Byte = t.struct({ v: t.uint8 })
const Hyper = t.struct({ v: t.uint64 })

/** By level: each is aligned in another way. */
const Info = idl.union(
  t.uint16,
  {
    1: Byte,
    2: t.struct({ v: t.uint16 }),
    3: t.struct({ v: t.uint32 }),
    4: Hyper,
    5: t.struct({ v1: t.uint8, v2: t.uint64 }),
    6: t.struct({ v1: t.uint8, info1: Byte }),
    7: t.struct({ v1: t.uint8, info4: Hyper }),
  },
  { switchIs: 'level' },
)

const Enum1 = idl.enumeration({ ECHO_ENUM1: 1, ECHO_ENUM2: 2 })
const Enum1Of32 = idl.enumeration({ ECHO_ENUM1_32: 1, ECHO_ENUM2_32: 2 }, 32)
/** `e1` is an `Enum1` in the IDL, but smbtorture sends 76 in it, which has no name: its number then. */
const Enum2 = t.struct({ e1: t.uint16, e2: Enum1Of32 })
const Enum3 = idl.union(Enum1, { ECHO_ENUM1: Enum1, ECHO_ENUM2: Enum2 }, { switchIs: 'foo1' })
const Surrounding = t.struct({ x: t.uint32, surrounding: idl.array(t.uint16, { size: 'x' }) })

/** `rpcecho`, the interface that Samba's tests try all of NDR with (its `echo.idl`). */
export const RpcEcho = contract(
  'rpcecho',
  { version: '1.0', uuid: '60a15ec5-4de8-11d7-a637-005056a20182' },
  {
    addOne: method({ in_data: t.uint32 }, idl.out({ out_data: t.uint32 })),
    echoData: method(
      { len: t.uint32, in_data: idl.bytes({ size: 'len' }) },
      idl.out({ out_data: idl.bytes({ size: 'len' }) }),
    ),
    sinkData: method({ len: t.uint32, data: idl.bytes({ size: 'len' }) }, t.void),
    sourceData: method({ len: t.uint32 }, idl.out({ data: idl.bytes({ size: 'len' }) })),
    testCall: method({ s1: t.string }, idl.out({ s2: t.optional(t.string) })),
    testCall2: method({ level: t.uint16 }, idl.out({ info: Info }, idl.status)),
    testSleep: method({ seconds: t.uint32 }, idl.out({}, t.uint32)),
    testEnum: method({ foo1: Enum1, foo2: Enum2, foo3: Enum3 }, idl.out({ foo1: Enum1, foo2: Enum2, foo3: Enum3 })),
    testSurrounding: method({ data: Surrounding }, idl.out({ data: Surrounding })),
    testDoublePointer: method({ data: idl.box(t.optional(t.uint16)) }, idl.out({}, t.uint16)),
  },
)

/** Most bytes that `sourceData` makes, and most items that `testSurrounding` does (our choice: far above what tests ask). */
const MOST = 16 * 1024 * 1024
/** Longest `testSleep`, `seconds` (our choice). */
const LONGEST_SLEEP = 60

/** Serves `rpcecho` as Samba does. */
export const rpcEcho: PlainImplementation<typeof RpcEcho> = {
  addOne: ({ in_data }) => ({ out_data: (in_data + 1) >>> 0 }),
  echoData: ({ in_data }) => ({ out_data: in_data }),
  sinkData: () => {},
  sourceData: ({ len }) => ({ data: Uint8Array.from({ length: checked(len) }, (_, i) => i) }),
  testCall: ({ s1 }) => ({ s2: s1 }),
  testCall2: ({ level }) => ({ info: infoOf(level), result: 0 }),
  testSleep: async ({ seconds }, { signal }) => {
    await sleep(Math.min(seconds, LONGEST_SLEEP) * 1_000, undefined, { signal, ref: false })
    return { result: seconds }
  },
  testEnum: (args) => args,
  testSurrounding: ({ data: { x } }) => {
    const twice = checked(x * 2)
    return { data: { x: twice, surrounding: new Array<number>(twice).fill(0) } }
  },
  testDoublePointer: ({ data }) => ({ result: data?.value ?? 0 }),
}

function checked(count: number): number {
  if (count > MOST) throw new BusbarError('LIMIT', `${count} items; at most ${MOST} are made`)
  return count
}

function infoOf(level: number) {
  const infos = [
    { case: 1, value: { v: 10 } },
    { case: 2, value: { v: 20 } },
    { case: 3, value: { v: 30 } },
    { case: 4, value: { v: 40n } },
    { case: 5, value: { v1: 50, v2: 60n } },
    { case: 6, value: { v1: 70, info1: { v: 80 } } },
    { case: 7, value: { v1: 80, info4: { v: 90n } } },
  ] as const
  const info = infos.find((each) => each.case === level)
  if (info === undefined) throw new BusbarError('BAD_VALUE', `there is no level ${level}`)
  return info
}
