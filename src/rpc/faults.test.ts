import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { BusbarError, CODES, codeNumber, type ErrorCode } from '../errors/index.ts'
import { FAULTS, faultError, faultStatus, STATUS_OF } from './faults.ts'

describe('faults', () => {
  const standard: [number, ErrorCode][] = [
    [0x1c01_0002, 'NOT_IN_CONTRACT'],
    [0x1c01_0003, 'NO_SUCH_INTERFACE'],
    [0x1c01_000b, 'PROTOCOL'],
    [0x1c01_0014, 'BUSY'],
    [0x1c01_0013, 'LIMIT'],
    [0x1c00_0006, 'BAD_VALUE'],
    [0x1c00_0007, 'BAD_VALUE'],
    [0x1c00_000d, 'CANCELLED'],
    [0x1c00_0012, 'FAULT'],
    [0x1c00_001a, 'NO_SUCH_OBJECT'],
    [0x1c00_001b, 'LIMIT'],
    [0x1c00_0024, 'NO_SUCH_OBJECT'],
    [5, 'DENIED'],
    [0x6f7, 'BAD_VALUE'],
    [0x6bd, 'PROTOCOL'],
    [0x721, 'DENIED'],
  ]
  for (const [status, code] of standard) {
    test(`0x${status.toString(16)} is ${code}`, () => assert.equal(faultError(status, false).code, code))
  }

  test('every code crosses: as itself, or as what a caller can make of it', () => {
    const changed: Partial<Record<ErrorCode, ErrorCode>> = { MALFORMED: 'BAD_VALUE', INTERNAL: 'FAULT' }
    for (const code of Object.keys(CODES) as ErrorCode[]) {
      const back = faultError(faultStatus(new BusbarError(code, 'x')), false).code
      assert.equal(back, changed[code] ?? code)
    }
  })

  test('an unknown status is a FAULT with its number, also one that looks like ours', () => {
    for (const status of [0, 0x1c00_00ff, 0xffff_ffff, 0xa0bb_0000, 0xa0bb_ffff, 0x8007_000e]) {
      const error = faultError(status, false)
      assert.equal(error.code, 'FAULT')
      assert.ok(error.message.includes(`0x${status.toString(16).padStart(8, '0')}`))
    }
    assert.equal(faultStatus(new BusbarError('DEADLINE', 'x')), 0xa0bb_0000 + codeNumber('DEADLINE'))
  })

  test('the message says whether the call ran', () => {
    assert.match(faultError(0x1c01_0002, true).message, /did not execute/)
    assert.doesNotMatch(faultError(0x1c01_0002, false).message, /did not execute/)
  })

  test('docs/protocol/rpc.md shows the table as it is', () => {
    const document = readFileSync(new URL('../../docs/protocol/rpc.md', import.meta.url), 'utf8')
    const [, section = ''] = document.split('\n## Faults\n')
    const rows = (section.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('| `'))
    const sent = Object.entries(STATUS_OF)
    const expected = [...FAULTS].map(([status, { name, code }]) => {
      const codes = sent.filter(([, each]) => each === status).map(([each]) => `\`${each}\``)
      return `| \`${status.toString(16).padStart(8, '0')}\` | ${name} | \`${code}\` | ${codes.join(', ')} |`
    })
    assert.deepEqual(rows, expected)
  })
})
