import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BusbarError } from '../errors/index.ts'
import { contract, method, t, type TypeNode } from '../rpc/index.ts'
import { fieldsFromJson, toJson } from './json-values.ts'

const shape = t.union('kind', { circle: { r: t.float64 }, note: { at: t.date } })

/** Each type with a value in JSON, as text, and the same value as the program has it. */
const CASES: readonly [name: string, type: TypeNode, json: string, value: unknown][] = [
  ['bytes', nodeOf(t.bytes), '"AQI="', new Uint8Array([1, 2])],
  ['a date', nodeOf(t.date), '"2026-01-31T12:00:00.000Z"', new Date('2026-01-31T12:00:00Z')],
  ['a 64-bit integer', nodeOf(t.int64), '"-9007199254740993"', -9_007_199_254_740_993n],
  ['a map by texts', nodeOf(t.map(t.string, t.uint64)), '{"a":"1","b":"2"}', new Map(Object.entries({ a: 1n, b: 2n }))],
  ['a map by numbers', nodeOf(t.map(t.uint8, t.bytes)), '[[7,"AQ=="]]', new Map([[7, new Uint8Array([1])]])],
  ['a case of a union', nodeOf(shape), '{"kind":"circle","r":1.5}', { kind: 'circle', r: 1.5 }],
  [
    'its dates',
    nodeOf(shape),
    '{"kind":"note","at":"1999-12-31T00:00:00.000Z"}',
    { kind: 'note', at: new Date('1999-12-31') },
  ],
  ['JSON', nodeOf(t.json), '{"any":[1,null,"x"]}', { any: [1, null, 'x'] }],
  ['an optional in a list', nodeOf(t.array(t.optional(t.int64))), '["1",null]', [1n, undefined]],
]

for (const [name, type, json, value] of CASES) {
  test(`${name} crosses from JSON and back`, () => {
    const { it } = fieldsFromJson([{ name: 'it', type }], { it: JSON.parse(json) as unknown }, 'arguments')
    assert.deepEqual(it, value)
    assert.equal(toJson(type, value), json)
  })
}

test('what does not fit is named', () => {
  for (const [type, value, where] of [
    [nodeOf(shape), { kind: 'square' }, 'arguments.it.kind: expected one of circle, note'],
    [nodeOf(shape), 'circle', 'arguments.it.kind: expected one of circle, note'],
    [nodeOf(shape), { kind: 'circle', r: 1, more: 2 }, 'arguments.it.more: expected one of r'],
    [nodeOf(t.map(t.uint8, t.bytes)), { 7: 'AQ==' }, 'arguments.it: expected a list of [key, value]'],
    [nodeOf(t.map(t.string, t.date)), { a: 'never' }, 'arguments.it.a: expected a date such as "2026-01-31T12:00:00Z"'],
  ] as const) {
    assert.throws(
      () => fieldsFromJson([{ name: 'it', type }], { it: value }, 'arguments'),
      (error) => error instanceof BusbarError && error.code === 'BAD_VALUE' && error.message === where,
    )
  }
})

/** A type as data, as a contract describes it. */
function nodeOf(type: Parameters<typeof t.array>[0]): TypeNode {
  const { procedures } = contract('json.Values', { version: '1.0' }, { of: method({ it: type }, t.void) })
  return procedures[0]?.args[0]?.type as TypeNode
}
