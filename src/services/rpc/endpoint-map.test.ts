import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { FaultError, type IncomingCall } from '../../rpc/index.ts'
import { type EndpointEntry, endpointMap } from './endpoint-map.ts'
import { INQUIRY, NO_HANDLE, VERSIONS } from './endpoint-mapper.ts'
import { decodeTower, encodeTower, type Tower } from './tower.ts'

const NDR20 = { uuid: '8a885d04-1ceb-11c9-9fe8-08002b104860', major: 2, minor: 0 }
const ECHO = { uuid: '60a15ec5-4de8-11d7-a637-005056a20182', major: 1, minor: 0 }
const TCP: Tower = {
  interface: ECHO,
  transfer: NDR20,
  endpoint: { protocol: 'tcp', port: 135, address: '127.0.0.1' },
}
/** As Samba 4.17 writes it. */
const TCP_HEX =
  '0500 1300 0d c55ea160e84dd711a637005056a20182 0100 0200 0000' +
  ' 1300 0d 045d888aeb1cc9119fe808002b104860 0200 0200 0000' +
  ' 0100 0b 0200 0000 0100 07 0200 0087 0100 09 0400 7f000001'
const NOBODY = { uuid: '11111111-2222-3333-4444-555555555555', vers_major: 1, vers_minor: 0 }
const CALL = {} as IncomingCall
const NO_MORE = 0x16c9_a0d6

const uuid = fc.uuid()
const id = fc.record({ uuid, major: fc.nat(0xffff), minor: fc.nat(0xffff) })
const name = fc.stringMatching(/^[!-~]{0,20}$/)
const tower: fc.Arbitrary<Tower> = fc.record({
  interface: id,
  transfer: id,
  endpoint: fc.oneof(
    fc.record({ protocol: fc.constant('tcp' as const), port: fc.nat(0xffff), address: fc.ipV4() }),
    fc.record({ protocol: fc.constant('pipe' as const), name, host: name }),
    fc.record({ protocol: fc.constant('other' as const), id: fc.constantFrom(0x10, 0x1f), text: name }),
  ),
})

describe('towers', () => {
  test('one over TCP, byte for byte', () => {
    const bytes = Buffer.from(TCP_HEX.replaceAll(' ', ''), 'hex')
    assert.equal(bytes.length, 75)
    assert.deepEqual(Buffer.from(encodeTower(TCP)), bytes)
    assert.deepEqual(decodeTower(bytes), TCP)
  })

  test('come back as they were', () => {
    fc.assert(
      fc.property(tower, (each) => assert.deepEqual(decodeTower(encodeTower(each)), structuredClone(each))),
      { seed: 20_261_123 },
    )
  })

  test('any bytes are a tower or nothing', () => {
    const bent = fc.tuple(tower, fc.nat(), fc.nat(255), fc.nat(90)).map(([each, at, value, keep]) => {
      const bytes = encodeTower(each).slice(0, keep)
      if (bytes.length > 0) bytes[at % bytes.length] = value
      return bytes
    })
    fc.assert(
      fc.property(fc.oneof(bent, fc.uint8Array({ maxLength: 100 })), (bytes) => {
        const read = decodeTower(bytes)
        assert.ok(read === undefined || read.interface.uuid.length === 36)
      }),
      { seed: 20_261_123, numRuns: 2_000 },
    )
  })
})

describe('the endpoint mapper', () => {
  const entries: EndpointEntry[] = [1, 2, 3, 4, 5].map((major) => ({
    ...TCP,
    interface: { ...ECHO, major, minor: 7 },
    annotation: `version ${major}`,
  }))
  const served = endpointMap(entries)
  const ask = {
    inquiry_type: INQUIRY.ALL as number,
    object: undefined,
    interface_id: undefined as { uuid: string; vers_major: number; vers_minor: number } | undefined,
    vers_option: VERSIONS.ALL as number,
    entry_handle: NO_HANDLE,
    max_ents: 100,
  }
  type Page = { entry_handle: typeof NO_HANDLE; result: number; entries: readonly { annotation: string }[] }
  const lookup = (change: Partial<typeof ask>): Page => served.lookup({ ...ask, ...change }, CALL) as Page

  test('a search in pages ends with its last page', () => {
    const found: string[] = []
    const results: number[] = []
    let page = lookup({ max_ents: 2 })
    for (;;) {
      found.push(...page.entries.map(({ annotation }) => annotation))
      results.push(page.result)
      if (page.entry_handle.uuid === NO_HANDLE.uuid) break
      page = lookup({ max_ents: 2, entry_handle: page.entry_handle })
    }
    assert.deepEqual(
      found,
      [1, 2, 3, 4, 5].map((major) => `version ${major}`),
    )
    assert.deepEqual(results, [0, 0, 0])
    assert.equal(lookup({ inquiry_type: INQUIRY.INTERFACE, interface_id: NOBODY }).result, NO_MORE)
  })

  test('versions that fit', () => {
    const fit = (vers_option: number, vers_major: number, vers_minor: number): number[] =>
      lookup({
        inquiry_type: INQUIRY.INTERFACE,
        vers_option,
        interface_id: { uuid: ECHO.uuid, vers_major, vers_minor },
      }).entries.map(({ annotation }) => Number(annotation.at(-1)))
    assert.deepEqual(fit(VERSIONS.ALL, 3, 9), [1, 2, 3, 4, 5])
    assert.deepEqual(fit(VERSIONS.COMPATIBLE, 3, 6), [3])
    assert.deepEqual(fit(VERSIONS.COMPATIBLE, 3, 8), [])
    assert.deepEqual(fit(VERSIONS.EXACT, 3, 7), [3])
    assert.deepEqual(fit(VERSIONS.EXACT, 3, 6), [])
    assert.deepEqual(fit(VERSIONS.MAJOR_ONLY, 3, 9), [3])
    assert.deepEqual(fit(VERSIONS.UP_TO, 3, 6), [1, 2])
    assert.deepEqual(fit(VERSIONS.UP_TO, 3, 7), [1, 2, 3])
  })

  test('a handle of another list, or of nobody', () => {
    const handle = lookup({ max_ents: 1 }).entry_handle
    const other = endpointMap(entries)
    for (const free of [{ ...NO_HANDLE, uuid: '11111111-2222-3333-4444-555555555555' }, handle]) {
      assert.throws(
        () => other.lookupHandleFree({ entry_handle: free }, CALL),
        (thrown) => thrown instanceof FaultError && thrown.status === 0x1c00_001a,
      )
    }
    assert.deepEqual(served.lookupHandleFree({ entry_handle: handle }, CALL), { entry_handle: NO_HANDLE, result: 0 })
  })

  test('maps an interface to where it is served', () => {
    const map = (bytes: Uint8Array) => {
      const map_tower = { tower_length: bytes.length, tower_octet_string: bytes }
      return served.map({ object: undefined, map_tower, entry_handle: NO_HANDLE, max_towers: 4 }, CALL) as {
        towers: readonly { tower_octet_string: Uint8Array }[]
        result: number
      }
    }
    const asked = (change: Partial<Tower>): number[] =>
      map(encodeTower({ ...TCP, ...change })).towers.map(
        ({ tower_octet_string }) => decodeTower(tower_octet_string)?.interface.major ?? 0,
      )
    assert.deepEqual(asked({ interface: { ...ECHO, major: 4, minor: 2 } }), [4])
    assert.deepEqual(asked({ interface: { ...ECHO, major: 4, minor: 8 } }), [])
    assert.deepEqual(asked({ endpoint: { protocol: 'pipe', name: '\\pipe\\x', host: '' } }), [])
    assert.equal(map(new Uint8Array(9)).result, 0x16c9_a0d3)
    assert.equal(map(encodeTower({ ...TCP, transfer: ECHO })).result, NO_MORE)
  })
})
