import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { contract } from '../contract/contract.ts'
import { method } from '../contract/method.ts'
import { t } from '../contract/t.ts'
import type { Fields, Type } from '../contract/type.ts'
import type { RefPort } from './codec.ts'
import { bytes, decode, encode, hex, reply, request } from './harness.test.ts'

const document = readFileSync(new URL('../../../docs/protocol/ndr.md', import.meta.url), 'utf8')

test('the document and the types themselves say what every type is on the wire', () => {
  const { idl, ...types } = t
  const between = (name: string): boolean => ['int16', 'int32', 'uint8', 'uint16'].includes(name)
  for (const [name, type] of Object.entries(types)) {
    assert.ok(between(name) || document.includes(`\`t.${name}`), `t.${name} is not in the document`)
    assert.ok(typeof type === 'function' || type.wire.length > 0, `t.${name} does not say what it is`)
  }
  for (const [name, type] of Object.entries(idl)) {
    assert.ok(name === 'full' || document.includes(`\`idl.${name}`), `t.idl.${name} is not in the document`)
    assert.ok(typeof type === 'function' || type.wire.length > 0, `t.idl.${name} does not say what it is`)
  }
})

/** The examples of the document: the text of a type, of a value, and the bytes. */
const examples = [...document.matchAll(/^\| `([^`]+)` \| `([^`]+)` \| `([0-9a-f ]+)` \|$/gm)].map(
  ([, type = '', value = '', written = '']) => ({ type, value, written: hex(bytes(written)) }),
)

test('every type that is made from others has examples', () => {
  const { idl, ...types } = t
  const ofKind = (of: object, prefix: string): string[] =>
    Object.entries(of).flatMap(([name, type]) =>
      typeof type === 'function' && name !== 'full' ? [`${prefix}${name}(`] : [],
    )
  for (const name of [...ofKind(types, 't.'), ...ofKind(idl, 'idl.')]) {
    const number = examples.filter(({ type }) => type.includes(name)).length
    assert.ok(number >= (name === 't.stream(' ? 1 : 2), `${name}...) has ${number} examples in the document`)
  }
})

test('the bytes of the examples are what is written, and are read as the value', async () => {
  const rows = examples.map(({ type, value }) => `[${type}, ${value}]`).join(',\n')
  const program = `export const rows = (t, Contract) => { const { idl } = t; return [${rows}] }`
  const module = (await import(`data:text/javascript,${encodeURIComponent(program)}`)) as {
    rows(types: typeof t, Contract: unknown): [Type | Fields, unknown][]
  }
  const made = module.rows(t, contract('a.Contract', { version: '1.0' }, { m: method({}, t.void) }))
  const port: RefPort = {
    give: (_, given) => Buffer.from(String(given)),
    take: (_, taken) => Buffer.from(taken).toString(),
  }
  assert.equal(made.length, examples.length)
  for (const [i, [type, value]] of made.entries()) {
    const { type: text, written } = examples[i]!
    const one = isType(type)
    // A stream is a parameter by itself, and the parameters of a result are the results.
    const result = one && (type.node.kind === 'out' || type.node.kind === 'stream')
    const marshaller = result ? reply(type) : request(one ? { value: type } : type)
    const whole = one && !result ? { value } : value
    assert.equal(hex(encode(marshaller, whole, true, port)), written, text)
    assert.deepEqual(decode(marshaller, bytes(written), true, port), whole, text)
  }
})

function isType(type: Type | Fields): type is Type {
  return 'node' in type
}
