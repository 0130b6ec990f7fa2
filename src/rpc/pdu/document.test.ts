import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fixedBytes, type PduName, PDUS } from './table.ts'

test('docs/protocol/rpc.md shows the table of PDUs as it is', () => {
  const document = readFileSync(new URL('../../../docs/protocol/rpc.md', import.meta.url), 'utf8')
  const rows = document.split('\n').filter((line) => /^\| \d+ \|/.test(line))
  const expected = (Object.keys(PDUS) as PduName[]).map((name) => {
    const { number, sender, fields, rest } = PDUS[name]
    return `| ${number} | ${name} | ${sender} | ${fixedBytes(name)} | ${fields} | ${rest} |`
  })
  assert.deepEqual(rows, expected)
})
