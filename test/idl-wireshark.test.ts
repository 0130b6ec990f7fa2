/** The dissector that `busbar idl --wireshark` prints, in Wireshark, over stubs of every type in both byte orders. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { Writer } from '../src/bytes/index.ts'
import { Capture } from '../src/capture/index.ts'
import { printLua } from '../src/idl/index.ts'
import { type Contract, contract, method, type RefPort, t, type Type, writeUuid } from '../src/rpc/index.ts'

const present = spawnSync('tshark', ['--version']).error === undefined
const { idl } = t

const NO_REFERENCES: RefPort = { give: () => assert.fail(), take: () => assert.fail() }
const NDR = '8a885d04-1ceb-11c9-9fe8-08002b104860'

/** One call: the method and its arguments. */
type Call = readonly [method: string, args: Readonly<Record<string, unknown>>]

function pdu(kind: number, callId: number, little: boolean, body: (writer: Writer) => void): Uint8Array {
  const inside = new Writer(little)
  body(inside)
  const rest = inside.finish()
  const writer = new Writer(little)
  for (const byte of [5, 0, kind, 3, little ? 0x10 : 0, 0, 0, 0]) writer.u8(byte)
  writer.u16(16 + rest.length)
  writer.u16(0)
  writer.u32(callId)
  writer.bytes(rest)
  return writer.finish()
}

function bind({ uuid, major, minor }: Contract): Uint8Array {
  return pdu(11, 1, true, (writer) => {
    writer.u16(65_528)
    writer.u16(65_528)
    writer.u32(0)
    writer.u32(1)
    writer.u16(0)
    writer.u16(1)
    writeUuid(writer, uuid, true)
    writer.u32((minor << 16) | major)
    writeUuid(writer, NDR, true)
    writer.u32(2)
  })
}

function request(contract_: Contract, [name, args]: Call, callId: number, little: boolean): Uint8Array {
  const procedure = contract_.procedures.find((known) => known.name === name) ?? assert.fail(name)
  const stub = new Writer(little)
  procedure.request.write(stub, args, NO_REFERENCES)
  const bytes = stub.finish()
  return pdu(0, callId, little, (writer) => {
    writer.u32(bytes.length)
    writer.u16(0)
    writer.u16(procedure.number)
    writer.bytes(bytes)
  })
}

describe('the dissector', {
  skip: present || process.env['CI'] !== undefined ? false : 'tshark is not installed',
}, () => {
  let folder: string
  before(() => {
    assert.ok(present, 'tshark is required where CI is set: apt-get install tshark')
    folder = mkdtempSync(join(tmpdir(), 'busbar-lua-'))
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  /** What the dissector says of these calls, made by plain RPC. */
  async function dissect(made: Contract, calls: readonly Call[], little: boolean): Promise<string> {
    let time = 1_700_000_000_000_000
    const capture = new Capture({ now: () => ++time, application: 'Busbar test', limits: { queue: 1 << 28 } })
    const pipe = { caller: 'web', callerEpoch: 1, partition: 'storage', service: made.name, mode: 'byte' } as const
    const tap = capture.opened({ ...pipe, joinedLate: false, packets: undefined })
    tap?.bytes(true, bind(made))
    for (const [i, call] of calls.entries()) tap?.bytes(true, request(made, call, i + 2, little))
    capture.finish()
    const chunks: Uint8Array[] = []
    for (let chunk = await capture.read(); chunk !== undefined; chunk = await capture.read()) chunks.push(chunk)
    writeFileSync(join(folder, 'calls.pcapng'), Buffer.concat(chunks))
    writeFileSync(join(folder, 'calls.lua'), printLua([made]))
    const args = [
      '-r',
      'calls.pcapng',
      '-X',
      'lua_script:calls.lua',
      '-V',
      '-O',
      'busbar',
      '-Y',
      'busbar || _ws.malformed',
    ]
    return execFileSync('tshark', args, {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 1 << 28,
    })
  }

  const Everything = contract(
    'test.Everything',
    { version: '4.2' },
    {
      scalars: method(
        {
          yes: t.bool,
          tiny: t.int8,
          small: t.int16,
          middle: t.int32,
          large: t.int64,
          size: t.uint53,
          huge: t.uint64,
          half: t.float32,
          whole: t.float64,
          when: t.date,
          id: t.guid,
          status: idl.status,
          char: idl.char,
          unit: idl.wchar,
          color: t.enumeration('red', 'light green'),
          level: idl.enumeration({ low: 3, high: 70_000 }, 32),
        },
        t.void,
      ),
      texts: method(
        {
          text: t.string,
          empty: t.string,
          eight: idl.string8,
          fixed: idl.text(16, { fixed: 4 }),
          none: t.optional(t.string),
          some: t.optional(t.string),
          boxed: idl.box(idl.box(t.uint8)),
        },
        t.void,
      ),
      arrays: method(
        {
          n: t.uint16,
          most: t.uint32,
          fixed: idl.array(t.uint16, { fixed: 3 }),
          varying: idl.array(t.uint16, { fixed: 5, length: 'n' }),
          conformant: idl.array(t.uint64, { size: 'n' }),
          both: idl.array(t.int32, { size: 'most', length: 'n' }),
          open: t.struct({ a: t.uint64, count: t.uint8, items: idl.array(t.uint16, { size: 'count' }) }),
          bytes: t.bytes,
          strings: t.array(t.string),
          map: t.map(t.string, t.array(t.bytes)),
          json: t.json,
        },
        t.void,
      ),
      unions: method(
        {
          which: t.uint16,
          flat: t.union('kind', { circle: { r: t.float64 }, none: {}, named: { name: t.string } }),
          told: idl.union(t.uint16, { 1: t.uint64, 2: t.string, 3: t.void }, { switchIs: 'which', fallback: t.void }),
          tells: idl.union(t.int32, { 1: t.uint32, [-2]: t.struct({ x: t.string, y: t.uint64 }) }),
          handle: idl.handle,
        },
        t.void,
      ),
    },
  )
  const HANDLE = { attributes: 0, uuid: '00112233-4455-6677-8899-aabbccddeeff' }
  const CALLS: readonly Call[] = [
    [
      'scalars',
      {
        yes: true,
        tiny: -128,
        small: -2,
        middle: -2_147_483_648,
        large: -(2n ** 63n),
        size: 2 ** 53 - 1,
        huge: 2n ** 64n - 1n,
        half: -1.5,
        whole: 0.125,
        when: new Date(Date.UTC(2024, 1, 29, 12, 30, 15, 250)),
        id: '00112233-4455-6677-8899-aabbccddeeff',
        status: 0xc0000022,
        char: 'A',
        unit: 'Z',
        color: 'light green',
        level: 'high',
      },
    ],
    [
      'texts',
      {
        text: 'größe "x"',
        empty: '',
        eight: 'eight',
        fixed: 'ab',
        none: undefined,
        some: 'some',
        boxed: { value: { value: 9 } },
      },
    ],
    [
      'arrays',
      {
        n: 2,
        most: 4,
        fixed: [1, 2, 3],
        varying: [4, 5],
        conformant: [6n, 7n],
        both: [-8, 9],
        open: { a: 1n, count: 3, items: [10, 11, 12] },
        bytes: new Uint8Array(5),
        strings: ['one', 'two'],
        map: new Map([['key', [new Uint8Array(2), new Uint8Array(0)]]]),
        json: { a: [1] },
      },
    ],
    [
      'unions',
      {
        which: 2,
        flat: { kind: 'named', name: 'flat' },
        told: { case: 2, value: 'told' },
        tells: { case: -2, value: { x: 'tells', y: 5n } },
        handle: HANDLE,
      },
    ],
    [
      'unions',
      {
        which: 3,
        flat: { kind: 'none' },
        told: { case: 3, value: undefined },
        tells: { case: 1, value: 7 },
        handle: HANDLE,
      },
    ],
  ]

  for (const little of [true, false]) {
    test(`shows every type, ${little ? 'little' : 'big'}-endian`, async () => {
      const text = await dissect(Everything, CALLS, little)
      const shown = text
        .split('\n')
        .filter((line) => line.startsWith('    ') && !/Interface:|Direction:/.test(line))
        .map((line) => line.slice(4))
      assert.deepEqual(shown, SHOWN)
    })
  }

  test('finds the end of whatever a contract can say', async () => {
    const calls = fc.sample(anyCall, { numRuns: 400, seed: 5 })
    const methods = Object.fromEntries(calls.map(({ types }, i) => [`m${i}`, method(types, t.void)]))
    const made = contract('test.Any', { version: '1.0' }, methods)
    for (const little of [true, false]) {
      const text = await dissect(
        made,
        calls.map(({ values }, i) => [`m${i}`, values]),
        little,
      )
      assert.doesNotMatch(text, /Cannot be decoded|Malformed/)
      const seen = [...text.matchAll(/Method: m(\d+)/g)].map(([, number]) => Number(number))
      assert.deepEqual(seen, [...calls.keys()])
    }
  })

  test('says so when a stub is not what the contract says', async () => {
    const older = contract('test.Any', { version: '1.0' }, { m: method({ a: t.string, b: t.uint32 }, t.void) })
    const newer = contract('test.Any', { version: '1.0' }, { m: method({ a: t.string }, t.void) })
    const longer = await dissect({ ...newer, procedures: older.procedures }, [['m', { a: 'x', b: 1 }]], true)
    assert.doesNotMatch(longer, /Cannot be decoded/)
    writeFileSync(join(folder, 'calls.lua'), printLua([newer]))
    const args = ['-r', 'calls.pcapng', '-X', 'lua_script:calls.lua', '-V', '-O', 'busbar']
    const text = execFileSync('tshark', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
    assert.match(text, /a: "x"\n +Cannot be decoded: \d+ bytes behind the last parameter/)
  })
})

interface Typed {
  readonly type: Type
  readonly value: unknown
}

const text = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((value) => !value.includes('\0'))
const scalar: fc.Arbitrary<Typed> = fc.oneof(
  fc.boolean().map((value) => ({ type: t.bool, value })),
  fc.integer({ min: -128, max: 127 }).map((value) => ({ type: t.int8, value })),
  fc.integer({ min: 0, max: 0xffff }).map((value) => ({ type: t.uint16, value })),
  fc.integer().map((value) => ({ type: t.int32, value })),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => ({ type: t.uint64, value })),
  fc.double().map((value) => ({ type: t.float64, value })),
  text.map((value) => ({ type: t.string, value })),
  fc.uint8Array({ maxLength: 9 }).map((value) => ({ type: t.bytes, value })),
  fc.constant({ type: t.guid, value: '00112233-4455-6677-8899-aabbccddeeff' }),
  fc.constantFrom('a', 'b').map((value) => ({ type: t.enumeration('a', 'b'), value })),
)
const { typed } = fc.letrec<{ typed: Typed }>((tie) => ({
  typed: fc.oneof(
    { maxDepth: 4, depthSize: 'medium' },
    scalar,
    // Items of one type: the same value several times.
    fc.tuple(tie('typed'), fc.nat(4)).map(([{ type, value }, count]) => ({
      type: t.array(type),
      value: Array.from({ length: count }, () => value),
    })),
    fc.array(tie('typed'), { minLength: 1, maxLength: 4 }).map((members) => ({
      type: t.struct(Object.fromEntries(members.map(({ type }, i) => [`f${i}`, type]))),
      value: Object.fromEntries(members.map(({ value }, i) => [`f${i}`, value])),
    })),
    fc.tuple(tie('typed'), fc.boolean()).map(([{ type, value }, there]) => {
      if (type.node.kind === 'optional') return { type, value }
      return { type: t.optional(type), value: there ? value : undefined }
    }),
    fc.tuple(tie('typed'), fc.boolean()).map(([{ type, value }, there]) => ({
      type: t.union('kind', { empty: {}, full: { it: type } }),
      value: there ? { kind: 'full', it: value } : { kind: 'empty' },
    })),
    fc.tuple(text, tie('typed')).map(([key, { type, value }]) => ({
      type: t.map(t.string, type),
      value: new Map([[key, value]]),
    })),
  ),
}))
const anyCall = fc.array(typed, { maxLength: 4 }).map((members) => ({
  types: Object.fromEntries(members.map(({ type }, i) => [`a${i}`, type])),
  values: Object.fromEntries(members.map(({ value }, i) => [`a${i}`, value])),
}))

/** What stands in the tree for `CALLS`. */
const SHOWN: readonly string[] = `
Method: scalars
yes: true
tiny: -128
small: -2
middle: -2147483648
large: -9223372036854775808
size: 9007199254740991
huge: 18446744073709551615
half: -1.5
whole: 0.125
when: 2024-02-29T12:30:15.250Z
id: 00112233-4455-6677-8899-aabbccddeeff
status: 0xc0000022
char: 'A'
unit: 'Z'
color: light green
level: high
Method: texts
text: "größe "x""
empty: ""
eight: "eight"
fixed: "ab"
none: none
some: "some"
boxed: 9
Method: arrays
n: 2
most: 4
fixed: 3 items
    [0]: 1
    [1]: 2
    [2]: 3
varying: 2 items
    [0]: 4
    [1]: 5
conformant: 2 items
    [0]: 6
    [1]: 7
both: 2 items
    [0]: -8
    [1]: 9
open
    a: 1
    count: 3
    items: 3 items
        [0]: 10
        [1]: 11
        [2]: 12
bytes: 5 bytes
strings: 2 items
    [0]: "one"
    [1]: "two"
map: 1 item
    [0]
        key: "key"
        value: 2 items
            [0]: 2 bytes
            [1]: 0 bytes
json: 9 bytes
Method: unions
which: 2
flat: case named
    named
        name: "flat"
told: case 2
    2: "told"
tells: case -2
    -2
        x: "tells"
        y: 5
handle: handle 00112233-4455-6677-8899-aabbccddeeff
Method: unions
which: 3
flat: case none
told: case 3
tells: case 1
    1: 7
handle: handle 00112233-4455-6677-8899-aabbccddeeff
`
  .slice(1, -1)
  .split('\n')
