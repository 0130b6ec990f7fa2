import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BusbarError } from '../errors/index.ts'
import { contract, method, t, type TypeNode } from '../rpc/index.ts'
import { exampleFields } from './example-values.ts'
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
  ['text that a terminal would heed', nodeOf(t.string), '"\\u001b[2J\\u009b2J\\u202e"', '\u001b[2J\u009b2J\u202e'],
  ['JSON', nodeOf(t.json), '{"any":[1,null,"x"]}', { any: [1, null, 'x'] }],
  ['an optional in a list', nodeOf(t.array(t.optional(t.int64))), '["1",null]', [1n, undefined]],
]

for (const [name, type, json, value] of CASES) {
  test(`${name} crosses from JSON and back`, () => {
    const { it } = fieldsFromJson([{ name: 'it', type }], { it: JSON.parse(json) as unknown }, '')
    assert.deepEqual(it, value)
    assert.equal(toJson(type, value), json)
  })
}

/** A type, a value that does not fit it, and what a person is told. */
const MISFITS: readonly [type: TypeNode, json: string, message: string, hint?: string][] = [
  [nodeOf(t.bool), '"yes"', 'argument it: found "yes", expected bool, for example true'],
  [nodeOf(t.uint8), '256', 'argument it: found 256, expected uint8, for example 1'],
  [nodeOf(t.uint8), '1.5', 'argument it: found 1.5, expected uint8, for example 1'],
  [nodeOf(t.int8), '-129', 'argument it: found -129, expected int8, for example 1'],
  [nodeOf(t.uint32), '"7"', 'argument it: found "7", expected uint32, for example 1'],
  [nodeOf(t.uint53), '9007199254740992', 'argument it: found 9007199254740992, expected uint53, for example 1'],
  [nodeOf(t.idl.range(t.uint8, 3, 9)), '2', 'argument it: found 2, expected uint8 from 3 to 9, for example 3'],
  [nodeOf(t.int64), '"1e3"', 'argument it: found "1e3", expected int64, for example "1"'],
  [nodeOf(t.uint64), '"-1"', 'argument it: found "-1", expected uint64, for example "1"'],
  [
    nodeOf(t.uint64),
    '18446744073709551616',
    'argument it: found 18446744073709552000, expected uint64, for example "1"',
  ],
  [nodeOf(t.float64), '"1"', 'argument it: found "1", expected float64, for example 1.5'],
  [nodeOf(t.string), '7', 'argument it: found 7, expected string, for example "text"'],
  [nodeOf(t.string), 'null', 'argument it: found null, expected string, for example "text"'],
  [nodeOf(t.bytes), '"ä"', 'argument it: found "ä", expected bytes, for example "AQID"'],
  [nodeOf(t.bytes), '"A"', 'argument it: found "A", expected bytes, for example "AQID"'],
  [nodeOf(t.date), '"soon"', 'argument it: found "soon", expected date, for example "2026-01-31T12:00:00Z"'],
  [nodeOf(t.guid), '"x"', 'argument it: found "x", expected guid, for example "5b1c1f0e-8a77-4f37-9a3d-2f5f4f6d1c01"'],
  [
    nodeOf(t.enumeration('read', 'write')),
    '"reed"',
    'argument it: found "reed", expected one of "read", "write", for example "read"',
    'did you mean "read"?',
  ],
  [nodeOf(t.array(t.uint8)), '7', 'argument it: found 7, expected array of uint8, for example [1]'],
  [nodeOf(t.array(t.uint8)), '[1, 2, "x"]', 'argument it[2]: found "x", expected uint8, for example 1'],
  [
    nodeOf(t.map(t.uint8, t.bytes)),
    '{"7": "AQ=="}',
    'argument it: found {"7":"AQ=="}, expected map of uint8 to bytes, for example [[1,"AQID"]]',
  ],
  [
    nodeOf(t.map(t.string, t.date)),
    '{"a": 0, "b": {}}',
    'argument it.b: found {}, expected date, for example "2026-01-31T12:00:00Z"',
  ],
  [
    nodeOf(t.struct({ a: t.struct({ b: t.bool }) })),
    '{"a": {}}',
    'argument it.a.b: is missing: expected bool, for example true',
  ],
  [
    nodeOf(t.struct({ size: t.bool })),
    '{"sise": true}',
    'argument it.sise: is not known; there are size',
    'did you mean "size"?',
  ],
  [nodeOf(shape), '{"kind": "square"}', 'argument it.kind: found "square", expected one of circle, note'],
  [nodeOf(shape), '"circle"', 'argument it.kind: found nothing, expected one of circle, note'],
  [nodeOf(shape), '{"kind": "circle", "r": 1, "more": 2}', 'argument it.more: is not known; there are r'],
  [nodeOf(t.optional(t.bool)), '7', 'argument it: found 7, expected bool, for example true'],
]

test('what does not fit is named, with what is there, what is wanted and what it looks like', () => {
  for (const [type, json, message, hint] of MISFITS) {
    const given = { it: JSON.parse(json) as unknown }
    assert.throws(
      () => fieldsFromJson([{ name: 'it', type }], given, ''),
      (error) => {
        assert.ok(error instanceof BusbarError && error.code === 'BAD_VALUE')
        assert.equal(error.message, message)
        assert.deepEqual(error.hints, hint === undefined ? [] : [hint])
        return true
      },
    )
  }
})

test('arguments that are missing, unknown, or no arguments at all', () => {
  const fields = [
    { name: 'path', type: nodeOf(t.string) },
    { name: 'mode', type: nodeOf(t.optional(t.string)) },
  ]
  for (const [given, about] of [
    [{}, /^argument path: is missing: expected string, for example "text"$/],
    [{ paht: '/' }, /^argument paht: is not known; there are path, mode$/],
    [['/'], /^found \["\/"\], expected an object with path, mode$/],
    [null, /^found null, expected an object/],
    [JSON.parse('{"__proto__": {"path": "/"}}'), /^argument __proto__: is not known/],
  ] as const) {
    assert.throws(() => fieldsFromJson(fields, given, ''), { code: 'BAD_VALUE', message: about })
  }
  assert.throws(() => fieldsFromJson([], { a: 1 }, ''), { message: 'argument a: is not known; there are none' })
  assert.deepEqual(fieldsFromJson(fields, { path: '/' }, ''), { path: '/' })
})

test('an example fits what it is an example of', () => {
  const types = [
    ...[t.bool, t.int8, t.int64, t.uint53, t.float32, t.string, t.bytes, t.date, t.guid, t.json, shape],
    ...[t.enumeration('a'), t.array(t.uint8), t.map(t.uint8, t.string), t.map(t.string, t.bool), t.optional(t.date)],
    ...[t.idl.range(t.int16, -9, -4), t.idl.range(t.uint8, 7, 9), t.struct({ a: t.uint64, b: t.optional(t.bool) })],
    ...[t.idl.union(t.uint16, { 3: t.string }), t.idl.box(t.uint8), t.idl.char, t.idl.status],
  ]
  for (const type of types) {
    const { procedures } = contract('json.Values', { version: '1.0' }, { of: method({ it: type }, t.void) })
    const [procedure] = procedures
    assert.ok(procedure !== undefined)
    const example = JSON.parse(JSON.stringify(exampleFields(procedure.args))) as unknown
    const value = fieldsFromJson(procedure.args, example, '')
    assert.equal('it' in value, type.node.kind !== 'optional')
  }
})

/** A type as data, as a contract describes it. */
function nodeOf(type: Parameters<typeof t.array>[0]): TypeNode {
  const { procedures } = contract('json.Values', { version: '1.0' }, { of: method({ it: type }, t.void) })
  return procedures[0]?.args[0]?.type as TypeNode
}
