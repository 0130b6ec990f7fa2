/**
 * What `busbar idl diff` calls compatible, the marshallers must agree to: an old caller's bytes are read by the new contract,
 * and a new component's bytes by the old one, to the same values. Contracts and their changes are drawn at random.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Reader, Writer } from '../src/bytes/index.ts'
import { BusbarError } from '../src/errors/index.ts'
import { diffContracts } from '../src/idl/index.ts'
import {
  type Contract,
  contract,
  contractsFrom,
  describeContracts,
  method,
  t,
  type TypeNode,
} from '../src/rpc/index.ts'

const port = { give: assert.fail, take: assert.fail }

const Draw = t.union('is', { line: { length: t.uint16 }, text: { text: t.string }, none: {} })
const before = contract(
  'any.Thing',
  { version: '1.0' },
  {
    put: method({ path: t.string, mode: t.enumeration('read', 'write'), at: t.optional(t.uint32) }, t.void),
    draw: method({ shapes: t.array(Draw), size: t.idl.range(t.uint16, 0, 9) }, t.uint53),
    stat: method(
      { count: t.uint53 },
      t.struct({ size: t.uint64, kind: t.enumeration('file', 'folder'), names: t.array(t.string) }),
    ),
    mark: method({ at: t.struct({ x: t.uint8, shape: Draw }), all: t.map(t.uint8, Draw) }, t.void),
    last: method({ on: t.bool }, t.map(t.string, Draw), { idempotent: true }),
  },
)

type Change = (description: Description, pick: (most: number) => number) => void

interface Description {
  contracts: { methods: DescribedMethod[] }[]
}
interface DescribedMethod {
  name: string
  number: number
  args: { name: string; type: unknown }[]
  result: unknown
  idempotent?: boolean
}

/** Every place of a type in a method, with how to put another there. */
function places({ args, result }: DescribedMethod): unknown[] {
  const found: unknown[] = [...args, result]
  for (const one of found) {
    if (typeof one !== 'object' || one === null) continue
    for (const inner of Object.values(one)) if (typeof inner === 'object' && inner !== null) found.push(inner)
  }
  return found.filter((one) => typeof one === 'object' && one !== null)
}

const SCALARS = ['bool', 'uint8', 'uint16', 'uint32', 'int32', 'uint53', 'uint64', 'int64', 'string', 'bytes', 'date']

const CHANGES: Record<string, Change> = {
  scalar: (description, pick) => {
    const all = methodsOf(description).flatMap(places) as Record<string, unknown>[]
    const keyed = all.flatMap((one) =>
      Object.keys(one)
        .filter((key) => SCALARS.includes(String(one[key])) && key !== 'name')
        .map((key) => ({ one, key })),
    )
    const chosen = keyed[pick(keyed.length)]
    if (chosen !== undefined) chosen.one[chosen.key] = SCALARS[pick(SCALARS.length)]
  },
  label: (description, pick) => {
    const lists = methodsOf(description)
      .flatMap(places)
      .flatMap((one) => {
        const { names } = one as { names?: string[] }
        return names === undefined ? [] : [names]
      })
    const names = lists[pick(lists.length)]
    if (names === undefined) return
    if (pick(2) === 0) names.splice(pick(names.length + 1), 0, `more${names.length}`)
    else if (names.length > 1) names.splice(pick(names.length), 1)
  },
  case: (description, pick) => {
    const lists = methodsOf(description)
      .flatMap(places)
      .flatMap((one) => {
        const { cases } = one as { cases?: unknown[] }
        return cases === undefined ? [] : [cases]
      })
    const cases = lists[pick(lists.length)]
    if (cases === undefined) return
    const type = ['uint8', 'uint16', 'uint64'][pick(3)]
    if (pick(2) === 0)
      cases.splice(pick(2) === 0 ? cases.length : pick(cases.length), 0, {
        name: 'wide',
        fields: [{ name: 'w', type }],
      })
    else if (cases.length > 1) cases.splice(pick(cases.length), 1)
  },
  range: (description, pick) => {
    const ranges = methodsOf(description)
      .flatMap(places)
      .filter((one) => 'range' in (one as object)) as { range: number[] }[]
    const chosen = ranges[pick(ranges.length)]
    if (chosen !== undefined) chosen.range = [pick(2), 8 + pick(3)]
  },
  method: (description, pick) => {
    const methods = methodsOf(description)
    const added = { name: `added${methods.length}`, number: 0, args: [{ name: 'on', type: 'bool' }], result: 'void' }
    methods.splice(pick(3) === 0 ? pick(methods.length) : methods.length, 0, added)
    for (const [number, one] of methods.entries()) one.number = number
  },
  argument: (description, pick) => {
    const { args } = methodsOf(description)[pick(4)] as DescribedMethod
    const type = { kind: 'optional', item: 'uint32' }
    if (pick(3) === 0) args.reverse()
    else if (pick(2) === 0) args.push({ name: 'extra', type })
    else args.pop()
  },
  rename: (description, pick) => {
    const chosen = methodsOf(description)[pick(4)] as DescribedMethod
    if (pick(2) === 0) chosen.name = `renamed_${chosen.name}`
    else if (chosen.args[0] !== undefined) chosen.args[0].name = 'other'
  },
}

function methodsOf(description: Description): DescribedMethod[] {
  return description.contracts[0]?.methods ?? []
}

const text = fc.string({ unit: fc.constantFrom('a', 'b', 'ü'), maxLength: 5 })

/** Values that a type may have. */
function valuesOf(node: TypeNode): fc.Arbitrary<unknown> {
  const members = (
    fields: readonly { readonly name: string; readonly type: TypeNode }[],
  ): Record<string, fc.Arbitrary<unknown>> => Object.fromEntries(fields.map(({ name, type }) => [name, valuesOf(type)]))
  const made = { noNullPrototype: true } as const
  switch (node.kind) {
    case 'void':
      return fc.constant(undefined)
    case 'bool':
      return fc.boolean()
    case 'string':
      return text
    case 'bytes':
      return fc.uint8Array({ maxLength: 5 })
    case 'date':
      return fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
    case 'uint53':
      return fc.maxSafeNat()
    case 'int64':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    case 'uint64':
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
    case 'enumeration':
      return fc.constantFrom(...node.names)
    case 'optional':
      return fc.option(valuesOf(node.item), { nil: undefined })
    case 'array':
      return fc.array(valuesOf(node.item), { maxLength: 4 })
    case 'map':
      return fc
        .array(fc.tuple(valuesOf(node.key), valuesOf(node.value)), { maxLength: 3 })
        .map((entries) => new Map(entries))
    case 'struct':
      return fc.record(members(node.fields), made)
    case 'variant':
      return fc.oneof(
        ...node.cases.map(({ name, fields }) => fc.record({ [node.tag]: fc.constant(name), ...members(fields) }, made)),
      )
    default: {
      const [, sign, bits] = /^(u?)int(\d+)$/.exec(node.kind) ?? assert.fail(node.kind)
      const [least, most] =
        'range' in node && node.range !== undefined
          ? node.range
          : sign === 'u'
            ? [0, 2 ** Number(bits) - 1]
            : [-(2 ** (Number(bits) - 1)), 2 ** (Number(bits) - 1) - 1]
      return fc.integer({ min: least, max: most })
    }
  }
}

type Marshals = Contract['procedures'][number]['request']

/** One side writes, the other reads, and writing again gives the same bytes: names may differ, bytes may not. */
function crosses(from: Marshals, to: Marshals, value: unknown): void {
  const written = bytesOf(from, value)
  const reader = new Reader(written)
  const read = to.read(reader, port)
  reader.done('what is called compatible')
  assert.deepEqual(bytesOf(to, read), written)
}

function bytesOf(marshaller: Marshals, value: unknown): Uint8Array {
  const writer = new Writer()
  marshaller.write(writer, value, port)
  return writer.finish()
}

const drawn = fc
  .array(fc.tuple(fc.constantFrom(...Object.keys(CHANGES)), fc.array(fc.nat(1000), { minLength: 8, maxLength: 8 })), {
    minLength: 1,
    maxLength: 2,
  })
  .map((changes) => {
    const description = structuredClone(describeContracts([before])) as unknown as Description
    for (const [name, numbers] of changes) {
      const rest = [...numbers]
      CHANGES[name]?.(description, (most) => (rest.shift() ?? 0) % Math.max(1, most))
    }
    try {
      return contractsFrom(JSON.parse(JSON.stringify(description)))[0]
    } catch (thrown) {
      // A change that no contract can have, like two arguments of one name.
      assert.ok(thrown instanceof BusbarError && thrown.code === 'MALFORMED', String(thrown))
      return undefined
    }
  })
  .filter((after) => after !== undefined)

test('what the diff calls compatible is: bytes cross both ways', () => {
  const counts = { compatible: 0, incompatible: 0, crossed: 0 }
  fc.assert(
    fc.property(
      drawn.chain((after) => {
        const sent = before.procedures.map((procedure, number) => {
          const other = after.procedures[number]
          const args = fc.record(Object.fromEntries(procedure.args.map(({ name, type }) => [name, valuesOf(type)])), {
            noNullPrototype: true,
          })
          return fc.tuple(args, other === undefined ? fc.constant(undefined) : valuesOf(other.result))
        })
        return fc.tuple(fc.constant(after), fc.tuple(...sent))
      }),
      ([after, values]) => {
        const [diff] = diffContracts([before], [after])
        if (diff?.compatible !== true) {
          counts.incompatible++
          return
        }
        counts.compatible++
        for (const [number, [args, result]] of values.entries()) {
          const [old, now] = [before.procedures[number], after.procedures[number]]
          assert.ok(old !== undefined && now !== undefined, 'a method is gone')
          crosses(old.request, now.request, args)
          crosses(now.reply, old.reply, result)
          counts.crossed++
        }
      },
    ),
    { seed: 12, numRuns: 2000 },
  )
  assert.ok(counts.compatible > 100 && counts.incompatible > 100, JSON.stringify(counts))
})

test('what it calls incompatible for its bytes is: some value does not cross', () => {
  for (const [name, after] of [
    ['an argument more', { on: t.bool, more: t.optional(t.bool) }],
    ['an argument of another size', { on: t.uint32 }],
    ['one that may be left out', { on: t.optional(t.bool) }],
  ] as const) {
    const [old, now] = [{ on: t.bool }, after].map((args) =>
      contract('a.B', { version: '1.0' }, { m: method(args, t.void) }),
    )
    assert.ok(old !== undefined && now !== undefined)
    assert.equal(diffContracts([old], [now])[0]?.compatible, false, name)
    const [from, to] = [old, now].map(({ procedures }) => procedures[0]?.request)
    assert.ok(from !== undefined && to !== undefined)
    assert.throws(() => crosses(from, to, { on: true }), { code: 'MALFORMED' }, name)
  }
})
