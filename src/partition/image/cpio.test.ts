import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BusbarError } from '../../errors/index.ts'
import { type CpioEntry, encodeCpio } from './cpio.ts'

const archive = (entries: CpioEntry[]): Buffer => Buffer.concat([...encodeCpio(entries)])
const hex = (value: number): string => value.toString(16).padStart(8, '0')

describe('cpio archives', () => {
  it('encodes one file byte for byte', () => {
    const bytes = archive([{ kind: 'file', path: 'a/bc', mode: 0o640, data: Buffer.from('hello') }])
    const fields = [1, 0o100640, 0, 0, 1, 0, 5, 0, 0, 0, 0, 5, 0].map(hex).join('')
    const trailer = [0, 0o100000, 0, 0, 1, 0, 0, 0, 0, 0, 0, 11, 0].map(hex).join('')
    // 110 of header and 5 of name are one short of a multiple of four; 5 of data are three short.
    const expected = ['070701', fields, 'a/bc\0', '\0', 'hello', '\0\0\0', '070701', trailer, 'TRAILER!!!\0'].join('')
    assert.equal(bytes.subarray(0, expected.length).toString('latin1'), expected)
    assert.ok(bytes.subarray(expected.length).every((byte) => byte === 0))
    assert.equal(bytes.length, 512)
  })

  it('says the type of an entry in its mode', () => {
    const mode = (entry: CpioEntry): number => Number.parseInt(archive([entry]).toString('latin1', 14, 22), 16)
    assert.equal(mode({ kind: 'directory', path: 'd', mode: 0o755 }), 0o040755)
    assert.equal(mode({ kind: 'symlink', path: 'l', target: 'd' }), 0o120777)
    assert.equal(mode({ kind: 'character', path: 'c', mode: 0o600, major: 5, minor: 1 }), 0o020600)
  })

  it('carries the numbers of a device and the target of a link', () => {
    const device = archive([{ kind: 'character', path: 'c', mode: 0o600, major: 5, minor: 1 }]).toString('latin1')
    assert.equal(device.slice(6 + 9 * 8, 6 + 11 * 8), hex(5) + hex(1))
    const link = archive([{ kind: 'symlink', path: 'l', target: 'usr/lib' }]).toString('latin1')
    assert.equal(link.slice(112, 119), 'usr/lib')
  })

  it('pads an archive so that another can follow', () => {
    for (let size = 0; size < 9; size += 1) {
      const bytes = archive([{ kind: 'file', path: 'f', mode: 0o644, data: new Uint8Array(size * 100 + size) }])
      assert.equal(bytes.length % 512, 0)
    }
  })

  it('refuses names that an archive cannot hold', () => {
    for (const path of ['', '/abs', 'a\0b', 'x'.repeat(4096)]) {
      assert.throws(
        () => archive([{ kind: 'directory', path, mode: 0o755 }]),
        (error: unknown) => error instanceof BusbarError && error.code === 'INVALID_ARGUMENT',
      )
    }
  })
})
