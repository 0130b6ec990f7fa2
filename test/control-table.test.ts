/** The page of the control protocol says what the code does: its tables are made from the code's. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { renderControlTable } from '../scripts/control-table.ts'

const PAGE = new URL('../docs/protocol/control.md', import.meta.url)
const MARK = '<!-- made from src/bus/messages.ts and src/errors/codes.ts: UPDATE=1 npm test control-table -->\n\n'

test('docs/protocol/control.md holds the tables of the code', () => {
  const page = readFileSync(PAGE, 'utf8')
  const at = page.indexOf(MARK)
  assert.ok(at > 0, 'the page has lost its mark')
  const expected = page.slice(0, at) + MARK + renderControlTable()
  if (process.env['UPDATE'] !== undefined) writeFileSync(PAGE, expected)
  assert.equal(readFileSync(PAGE, 'utf8'), expected)
})
