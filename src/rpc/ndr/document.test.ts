import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { t } from '../contract/t.ts'

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
