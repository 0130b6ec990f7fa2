import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type Contract,
  contract,
  contractsFrom,
  describeContracts,
  method,
  type Methods,
  t,
  type Type,
} from '../rpc/index.ts'
import { ByHand, FileStore } from './contracts.test.ts'
import { type ContractDiff, diffContracts, type Effect, isCompatible, renderDiff } from './index.ts'

const { idl } = t

function made(methods: Methods, version = '1.0', uuid?: string): Contract {
  return contract('a.B', { version, ...(uuid === undefined ? {} : { uuid }) }, methods)
}

function only(before: readonly Contract[], after: readonly Contract[]): ContractDiff {
  const [diff] = diffContracts(before, after)
  assert.ok(diff !== undefined)
  return diff
}

type Expected = readonly [where: string, what: RegExp, effect: Effect][]

function assertDifferences({ differences, compatible }: ContractDiff, expected: Expected): void {
  const found = JSON.stringify(differences, undefined, 2)
  assert.equal(differences.length, expected.length, found)
  for (const [i, [where, what, effect]] of expected.entries()) {
    assert.equal(differences[i]?.where, where, found)
    assert.match(differences[i]?.what ?? '', what)
    assert.equal(differences[i]?.effect, effect, found)
  }
  assert.equal(compatible, !expected.some(([, , effect]) => effect === 'major'))
}

const nothing = method({}, t.void)
const File = contract('a.File', { version: '1.0' }, { read: method({}, t.bytes) })
const File2 = contract('a.File', { version: '2.0' }, { read: method({}, t.bytes) })

describe('methods', () => {
  const cases: Record<string, readonly [before: Methods, after: Methods, expected: Expected]> = {
    'the same': [{ a: nothing }, { a: nothing }, []],
    'added at the end': [{ a: nothing }, { a: nothing, b: nothing }, [['b', /^added at the end, number 1$/, 'minor']]],
    'added in front': [
      { a: nothing },
      { b: nothing, a: nothing },
      [
        ['a', /^number 0 became 1; append methods, or pin this one with opnum: 0$/, 'major'],
        ['b', /^added at number 0, which was that of "a"$/, 'major'],
      ],
    ],
    'added in front, the others pinned': [
      { a: method({}, t.void, { opnum: 1 }) },
      { b: nothing, a: nothing },
      [['b', /^added, number 0, which was free$/, 'minor']],
    ],
    'added in front and not compatible otherwise': [
      { a: nothing, b: method({ x: t.bool }, t.void) },
      { a: nothing, c: nothing, b: method({ x: t.bool }, t.void) },
      [
        ['b', /number 1 became 2/, 'major'],
        ['c', /number 1, which was that of "b"/, 'major'],
      ],
    ],
    'written in another order with pins': [
      { a: nothing, b: nothing },
      { a: method({}, t.void, { opnum: 0 }), b: method({}, t.void, { opnum: 1 }) },
      [],
    ],
    'renumbered by a pin': [
      { a: nothing },
      { a: method({}, t.void, { opnum: 3 }) },
      [['a', /number 0 became 3/, 'major']],
    ],
    'removed at the end': [{ a: nothing, b: nothing }, { a: nothing }, [['b', /^removed$/, 'major']]],
    'removed in the middle': [
      { a: nothing, b: method({ x: t.bool }, t.void), c: nothing },
      { a: nothing, c: nothing },
      [
        ['b', /^removed, its number 1 is now that of "c"$/, 'major'],
        ['c', /number 2 became 1/, 'major'],
      ],
    ],
    'removed and its number kept free': [
      { a: nothing, b: nothing, c: nothing },
      { a: nothing, c: method({}, t.void, { opnum: 2 }) },
      [['b', /^removed$/, 'major']],
    ],
    'replaced by another': [
      { a: method({ x: t.bool }, t.void) },
      { b: method({ x: t.string }, t.void) },
      [['a', /^removed, its number 0 is now that of "b"$/, 'major']],
    ],
    renamed: [
      { a: method({ x: t.bool }, t.void) },
      { b: method({ x: t.bool }, t.void) },
      [['a', /^renamed to "b"; numbers travel, not names$/, 'none']],
    ],
    'renamed with a stream': [
      { a: method({}, t.stream(t.bool)) },
      { b: method({}, t.stream(t.bool)) },
      [['a', /the identity of its stream follows from its name/, 'major']],
    ],
    swapped: [
      { a: nothing, b: nothing },
      { b: nothing, a: nothing },
      [
        ['a', /number 0 became 1/, 'major'],
        ['b', /number 1 became 0/, 'major'],
      ],
    ],
    'no longer idempotent': [
      { a: method({}, t.void, { idempotent: true }) },
      { a: nothing },
      [['a', /an old caller may repeat it/, 'major']],
    ],
    'idempotent now': [
      { a: nothing },
      { a: method({}, t.void, { idempotent: true }) },
      [['a', /idempotent now/, 'minor']],
    ],
  }
  for (const [name, [before, after, expected]] of Object.entries(cases)) {
    test(name, () => assertDifferences(only([made(before)], [made(after)]), expected))
  }
})

describe('arguments and fields travel by place', () => {
  const takes = (args: Record<string, Type>): Methods => ({ m: method(args, t.void) })
  const cases: Record<string, readonly [before: Methods, after: Methods, expected: Expected]> = {
    'an argument more': [
      takes({ a: t.bool }),
      takes({ a: t.bool, b: t.bool }),
      [['m, argument b', /^added; /, 'major']],
    ],
    'an optional argument more, at the end': [
      takes({ a: t.bool }),
      takes({ a: t.bool, b: t.optional(t.bool) }),
      [['m, argument b', /also an optional one is new/, 'major']],
    ],
    'an argument less': [
      takes({ a: t.bool, b: t.bool }),
      takes({ a: t.bool }),
      [['m, argument b', /^removed$/, 'major']],
    ],
    'the first argument less': [
      takes({ a: t.bool, b: t.bool }),
      takes({ b: t.bool }),
      [
        ['m, argument a', /^removed$/, 'major'],
        ['m, argument b', /^moved from place 2 to 1/, 'major'],
      ],
    ],
    'arguments of one type swapped': [
      takes({ from: t.string, to: t.string }),
      takes({ to: t.string, from: t.string }),
      [
        ['m, argument from', /^moved from place 1 to 2/, 'major'],
        ['m, argument to', /^moved from place 2 to 1/, 'major'],
      ],
    ],
    'an argument renamed': [takes({ a: t.bool }), takes({ b: t.bool }), [['m, argument a', /^renamed to "b"/, 'none']]],
    'an argument renamed and of another type': [
      takes({ a: t.bool }),
      takes({ b: t.uint8 }),
      [
        ['m, argument a', /^renamed to "b"/, 'none'],
        ['m, argument a', /^was bool, is uint8$/, 'major'],
      ],
    ],
    'a field of a struct more': [
      { m: method({}, t.struct({ a: t.bool })) },
      { m: method({}, t.struct({ a: t.bool, b: t.optional(t.string) })) },
      [['m, result.b', /^added/, 'major']],
    ],
    'deep inside': [
      { m: method({}, t.stream(t.array(t.struct({ a: t.optional(t.map(t.string, t.uint8)) })))) },
      { m: method({}, t.stream(t.array(t.struct({ a: t.optional(t.map(t.string, t.uint16)) })))) },
      [['m, result, item, item.a, value', /^was uint8, is uint16$/, 'major']],
    ],
    'results of plain functions': [
      { m: method({}, idl.out({ a: t.uint8 }, idl.status)) },
      { m: method({}, idl.out({ a: t.uint8 }, t.uint64)) },
      [['m, result.result', /^was status, is uint64$/, 'major']],
    ],
  }
  for (const [name, [before, after, expected]] of Object.entries(cases)) {
    test(name, () => assertDifferences(only([made(before)], [made(after)]), expected))
  }
})

/** What a change of a type asks for as an argument, where an old caller writes it, and as a result, where it reads it. */
const TYPES: Record<string, readonly [before: Type, after: Type, argument: Effect, result: Effect, what: RegExp]> = {
  'another scalar': [t.uint32, t.uint53, 'major', 'major', /^was uint32, is uint53$/],
  'the same size, another meaning': [t.uint32, t.int32, 'major', 'major', /^was uint32, is int32$/],
  'all of 64 bits': [t.uint53, t.uint64, 'minor', 'major', /was uint53, is uint64/],
  'less than 64 bits': [t.uint64, t.uint53, 'major', 'minor', /was uint64, is uint53/],
  'text for bytes': [t.bytes, t.string, 'major', 'major', /^was bytes, is string$/],
  'may be left out': [t.string, t.optional(t.string), 'major', 'major', /a pointer more on the wire/],
  'may not be left out': [t.optional(t.string), t.string, 'major', 'major', /a pointer less on the wire/],
  'a wider range': [idl.range(t.uint8, 0, 9), idl.range(t.uint8, 0, 10), 'minor', 'major', /were 0 to 9, are 0 to 10/],
  'a narrower range': [t.uint8, idl.range(t.uint8, 0, 10), 'major', 'minor', /were every value, are 0 to 10/],
  'a range elsewhere': [idl.range(t.uint8, 0, 9), idl.range(t.uint8, 5, 12), 'major', 'major', /0 to 9, are 5 to 12/],
  'a value more at the end': [t.enumeration('a'), t.enumeration('a', 'b'), 'minor', 'major', /^value "b" added/],
  'a value less at the end': [t.enumeration('a', 'b'), t.enumeration('a'), 'major', 'minor', /^value "b" removed/],
  'a value in front': [t.enumeration('a'), t.enumeration('b', 'a'), 'major', 'major', /^value "a" has another number/],
  'a value renamed': [t.enumeration('a', 'b'), t.enumeration('a', 'c'), 'none', 'none', /^value "b" renamed to "c"/],
  'numbers written out': [t.enumeration('a', 'b'), idl.enumeration({ a: 0, b: 1 }), 'none', 'none', /^$/],
  'numbers changed': [idl.enumeration({ a: 1 }), idl.enumeration({ a: 2 }), 'major', 'major', /another number/],
  'an enumeration of more bits': [
    idl.enumeration({ a: 1 }),
    idl.enumeration({ a: 1 }, 32),
    'major',
    'major',
    /had 16 bits, has 32/,
  ],
  'a case more': [
    t.union('is', { a: { x: t.uint8 } }),
    t.union('is', { a: { x: t.uint8 }, b: { y: t.uint8 } }),
    'minor',
    'major',
    /^case "b" added/,
  ],
  'a case less': [
    t.union('is', { a: { x: t.uint8 }, b: {} }),
    t.union('is', { a: { x: t.uint8 } }),
    'major',
    'minor',
    /^case "b" removed/,
  ],
  'the tag renamed': [t.union('is', { a: {} }), t.union('kind', { a: {} }), 'none', 'none', /"is" renamed to "kind"/],
  'a case of a number more': [
    idl.union(t.uint16, { 1: t.uint8 }),
    idl.union(t.uint16, { 1: t.uint8, 2: t.void }),
    'minor',
    'major',
    /^case 2 added/,
  ],
  'other cases taken': [
    idl.union(t.uint16, { 1: t.uint8 }),
    idl.union(t.uint16, { 1: t.uint8 }, { fallback: t.void }),
    'minor',
    'major',
    /every other case is taken now/,
  ],
  'other cases refused': [
    idl.union(t.uint16, { 1: t.uint8 }, { fallback: t.void }),
    idl.union(t.uint16, { 1: t.uint8 }),
    'major',
    'minor',
    /every other case is refused now/,
  ],
  'one that was among the others': [
    idl.union(t.uint16, { 1: t.uint8 }, { fallback: t.void }),
    idl.union(t.uint16, { 1: t.uint8, 2: t.uint8 }, { fallback: t.void }),
    'major',
    'major',
    /was nothing, is uint8/,
  ],
  'an array of a fixed length': [
    idl.array(t.uint8, { fixed: 3 }),
    idl.array(t.uint8, { fixed: 4 }),
    'major',
    'major',
    /says its size in another way/,
  ],
  'characters of other sizes': [
    idl.string8,
    idl.string(16, { size: true, length: true }),
    'major',
    'major',
    /other characters/,
  ],
  'a text in the words of IDL': [
    t.string,
    idl.string(16, { size: true, length: true }),
    'none',
    'none',
    /the same on the wire/,
  ],
}

describe('types', () => {
  for (const [name, [before, after, argument, result, what]] of Object.entries(TYPES)) {
    test(name, () => {
      for (const [effect, methodOf] of [
        [argument, (type: Type) => method({ it: type }, t.void)],
        [result, (type: Type) => method({}, type)],
      ] as const) {
        const { differences } = only([made({ m: methodOf(before) })], [made({ m: methodOf(after) })])
        const found = JSON.stringify(differences)
        const most = (['major', 'minor', 'none'] as const).find((one) =>
          differences.some((other) => other.effect === one),
        )
        assert.equal(most ?? 'none', effect, found)
        if (what.source !== '^$')
          assert.ok(
            differences.some((one) => what.test(one.what)),
            found,
          )
        else assert.equal(found, '[]')
      }
    })
  }

  test('a wider case of a union moves what is around it in a struct, and nothing elsewhere', () => {
    const before = t.union('is', { a: { x: t.uint8 } })
    const after = t.union('is', { a: { x: t.uint8 }, b: { y: t.uint64 } })
    const takes = (it: Type): Contract => made({ m: method({ it }, t.void) })
    assertDifferences(only([takes(before)], [takes(after)]), [['m, argument it', /case "b" added/, 'minor']])
    assertDifferences(only([takes(t.array(before))], [takes(t.array(after))]), [
      ['m, argument it, item', /case "b" added/, 'minor'],
    ])
    assertDifferences(only([takes(t.struct({ u: before }))], [takes(t.struct({ u: after }))]), [
      ['m, argument it.u', /case "b" added/, 'minor'],
      ['m, argument it.u', /aligned to 2 bytes before, to 8 now/, 'major'],
    ])
    assertDifferences(only([takes(t.map(t.uint8, before))], [takes(t.map(t.uint8, after))]), [
      ['m, argument it, value', /case "b" added/, 'minor'],
      ['m, argument it, value', /aligned to 2 bytes before, to 8 now/, 'major'],
    ])
  })

  test('a reference to another interface', () => {
    const [before, after] = [made({ m: method({}, t.ref(File)) }), made({ m: method({}, t.ref(File2)) })]
    assertDifferences(only([before], [after]), [['m, result', /to a\.File 1\.0 before, to a\.File 2\.0 now/, 'major']])
  })
})

describe('versions', () => {
  const one = { a: nothing }
  const two = { a: nothing, b: nothing }
  const other = { a: method({ x: t.bool }, t.void) }
  const needs = (before: Contract, ...after: Contract[]): string | undefined => only([before], after).needs

  test('what is appended needs a higher minor version, what breaks a higher major one', () => {
    assert.equal(needs(made(one, '1.3'), made(one, '1.3')), undefined)
    assert.equal(needs(made(one, '1.3'), made(one, '1.4')), undefined)
    assert.equal(needs(made(one, '1.3'), made(two, '1.3')), 'version 1.4')
    assert.equal(needs(made(one, '1.3'), made(two, '1.5')), undefined)
    assert.equal(needs(made(one, '1.3'), made(one, '1.2')), 'version 1.3')
    assert.equal(needs(made(one, '1.3'), made(other, '1.4')), 'version 2.0, with 1.3 beside it for old callers')
  })

  test('a new major version is compatible where the old one stays beside it', () => {
    assert.ok(isCompatible(diffContracts([made(one)], [made(one), made(other, '2.0')])))
    const alone = diffContracts([made(one)], [made(other, '2.0')])
    assert.ok(!isCompatible(alone))
    assert.deepEqual(renderDiff(alone), [
      'a.B 1.0 -> 2.0: not compatible',
      '  ! a, argument x: added; all values travel by place and their end is checked, so also an optional one is new',
      '  needs 1.0 beside 2.0, as long as there are old callers',
      'a.B 2.0: added',
    ])
  })

  test('a contract that is gone, one that is new', () => {
    const [gone, added] = diffContracts([made(one)], [File])
    assert.deepEqual(
      [gone?.compatible, gone?.after, added?.compatible, added?.before],
      [false, undefined, true, undefined],
    )
    assert.match(gone?.needs ?? '', /^1\.0 again/)
  })

  test('a UUID belongs to one major version', () => {
    const uuid = '5b1c1f0e-8a77-4f37-9a3d-2f5f4f6d1c01'
    assertDifferences(only([made(one)], [made(one, '1.0', uuid)]), [
      ['UUID', /for callers it is another interface/, 'major'],
    ])
    assert.match(
      only([made(one, '1.0', uuid)], [made(one, '2.0', uuid)]).differences[0]?.what ?? '',
      /has one of its own/,
    )
  })

  test('what a contract refers to is compared too, each once', () => {
    const File11 = contract('a.File', { version: '1.1' }, { read: method({}, t.bytes), size: method({}, t.uint53) })
    const [before, after] = [made({ m: method({}, t.ref(File)) }), made({ m: method({}, t.ref(File11)) })]
    assert.deepEqual(renderDiff(diffContracts([before], [after])), [
      'a.B 1.0: no differences',
      'a.File 1.0 -> 1.1: compatible',
      '  + size: added at the end, number 1',
    ])
  })

  test('a contract, however it came here, does not differ from itself', () => {
    for (const contracts of [[FileStore], [ByHand]]) {
      const again = contractsFrom(JSON.parse(JSON.stringify(describeContracts(contracts))))
      const diffs = diffContracts(contracts, again)
      assert.ok(
        isCompatible(diffs) && diffs.every(({ differences }) => differences.length === 0),
        JSON.stringify(diffs),
      )
    }
  })
})
