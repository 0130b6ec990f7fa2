/** Our objects, judged by DCOM clients that nobody here wrote: impacket, Samba's smbtorture and ndrdump, and Wireshark. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { jsonLine, missing, ours, PYTHON, run, smbtorture, start, type Started } from './judges.ts'
import { isAllRpc } from './wireshark.ts'

const HERE = '127.0.0.1[135]'
const BINDING = 'ncacn_ip_tcp:127.0.0.1[135]'

/** HRESULTs and Windows errors as numbers (MS-ERREF 2.1, 2.2). */
const RPC_E_CALL_REJECTED = 0x8001_010a
const RPC_E_INVALID_OBJREF = 0x8001_011d
const RPC_S_SERVER_UNAVAILABLE = 0x8007_06ba
const E_NOINTERFACE = 0x8000_4002
const REGDB_E_CLASSNOTREG = 0x8004_0154

describe('DCOM clients on port 135', { skip: missing(['impacket', 'smbtorture', 'ndrdump', 'tshark']) }, () => {
  let folder: string
  let capture: string
  let server: Started
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'busbar-dcom-'))
    capture = join(folder, 'exchange.pcapng')
    server = await start(ours('test/judges/dcom-server.ts', capture), /listening on/)
  })
  after(async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test('impacket: activation, values, references, queries, pings, the object resolver', async () => {
    // Python would leave what it compiled of their common module in the sources.
    const { output } = await run([PYTHON, '-B', 'test/judges/impacket_dcom.py'], server)
    assert.deepEqual(jsonLine(output), {
      values: {
        scalars: ['200', '-2', '4000000000', '9223372036854775809', '0.5', '1'],
        greet: 'hello, wörld \u{1f600}\0',
        mirror: [-5, 1.5, 'p\0'],
        sort: [1, 2, 3],
        reverse: true,
        fail: RPC_E_CALL_REJECTED,
        unknownOpnum: 'nca_s_op_rng_error',
        nobody: 'nca_s_fault_object_not_found ',
      },
      references: {
        heard: 0,
        // A reference that comes home is the object itself; one to an object of the client leads to an address, and is not followed.
        home: null,
        callback: RPC_S_SERVER_UNAVAILABLE,
        custom: RPC_E_INVALID_OBJREF,
        garbage: RPC_E_INVALID_OBJREF,
        added: 0,
        afterOne: 0,
        afterAll: 'nca_s_fault_object_not_found ',
      },
      queried: { heard: 0, missing: E_NOINTERFACE, released: 0 },
      queriedAgain: {
        results: [0, 0],
        heard: 0,
        greet: 'hello, again \u{1f600}\0',
        missing: E_NOINTERFACE,
        released: [0, 0],
      },
      pings: { same: true, objects: 1 },
      afterwards: 'hello, you \u{1f600}\0',
      released: 0,
      activation: {
        old: ['hello, you \u{1f600}\0', 0],
        factory: ['hello, you \u{1f600}\0', 0, 0],
        refused: { class: REGDB_E_CLASSNOTREG, interface: E_NOINTERFACE },
      },
      resolver: {
        alive: 0,
        alive2: [`${HERE}\0`],
        resolved: [`${HERE}\0`],
        resolved2: [`${HERE}\0`],
        unknown: 1910,
        otherProtocol: 1703,
        noSet: 1912,
      },
      complaints: [],
    })
  })

  // The reasons: docs/protocol/objects.md.
  const suites = [
    {
      suite: 'rpc.oxidresolve',
      passed: ['oxidresolver.ServerAlive', 'oxidresolver.ServerAlive2'],
      exceptions: ['ComplexPing', 'SimplePing', 'ResolveOxid', 'ResolveOxid2'].map((name) => `oxidresolver.${name}`),
    },
    { suite: 'rpc.remact', passed: [], exceptions: ['remact.RemoteActivation'] },
  ]
  for (const { suite, passed, exceptions } of suites) {
    test(`smbtorture ${suite}`, async () => {
      const found = await smbtorture(BINDING, suite, server)
      assert.deepEqual({ passed: found.passed, others: found.others }, { passed, others: exceptions }, found.output)
      // What it activates is not on offer, and that is what it is told.
      if (suite === 'rpc.remact') assert.match(found.output, /0x80040154/)
    })
  }

  test('what happened to the objects, and what Wireshark and ndrdump read of it', async (t) => {
    await server.stop()
    const told = server
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => (JSON.parse(line) as { what: string }).what)
    assert.deepEqual(told.slice(0, 7), [
      'child heard this',
      'child heard a call back',
      'child heard again',
      'child disposed of',
      'sampler heard that',
      'sampler heard this too',
      'sampler disposed of',
    ])
    const { status, output } = await run(['tshark', '-r', capture, '-V'])
    assert.equal(status, 0)
    const complaints = output.split('\n').filter((line) => /malformed|unreassembled|Expert Info \(Error/i.test(line))
    assert.deepEqual(complaints, [])
    await isAllRpc(capture)

    await t.test('Wireshark decodes activation, references, IRemUnknown and pings', () => {
      const packets = output.split(/^Frame \d+:/m)
      const decoded = (type: 'Request' | 'Response', operation: string, ...parts: RegExp[]): void => {
        const found = packets.filter(
          (text) => text.includes(`Packet type: ${type} (`) && text.includes(`\n    Operation: ${operation}\n`),
        )
        assert.ok(found.length > 0, `no ${type} of ${operation}`)
        for (const part of parts) {
          assert.ok(
            found.some((text) => part.test(text)),
            `${operation}: no ${type} with ${part}:\n${found[0]}`,
          )
        }
      }
      const address = /StringBinding\[1\]: TowerId=NCACN_IP_TCP, NetworkAddr="127\.0\.0\.1\[135\]"\n/
      const custom = (iid: string, clsid: string): RegExp =>
        new RegExp(
          `OBJREF\\n +Signature: MEOW .*\\n +Flags: OBJREF_CUSTOM .*\\n +IID: ${iid}-.*\\n +CUSTOMOBJREF\\n +CLSID: ${clsid}-`,
        )
      const standard =
        /OBJREF\n +Signature: MEOW .*\n +Flags: OBJREF_STANDARD .*\n +IID: 5b1c1f0e-8a77-4f37-9a3d-2f5f4f6d1c02\n +STDOBJREF: PublicRefs=1 IPID=/
      const answered = /HResult: S_OK \(0x00000000\)\n/
      for (const operation of ['RemoteCreateInstance (4)', 'RemoteGetClassObject (3)']) {
        decoded('Request', operation, custom('000001a2', '00000338'), /\n +IActProperties\n/)
        decoded('Response', operation, custom('000001a3', '00000339'), /PropertiesOutput\n[^]*ScmReplyInfo\n/)
      }
      decoded('Response', 'RemoteCreateInstance (4)', standard, address, answered)
      decoded(
        'Request',
        'RemoteActivation (0)',
        /DCOM, ORPCThis, V5\.7,.*\n[^]*\n    CLSID: 9d1f5c0a-0000-4000-8000-000000000002\n/,
      )
      decoded('Response', 'RemoteActivation (0)', standard, address, answered)
      decoded('Request', 'RemQueryInterface (3)', /IIDs: 1\n    IID\[1\]: 5b1c1f0e-8a77-4f37-9a3d-2f5f4f6d1c03\n/)
      const found = /QIResult\[1\]: S_OK\n +HResult: S_OK .*\n +STDOBJREF: PublicRefs=1 IPID=/
      decoded('Response', 'RemQueryInterface (3)', found, answered, /HResult: E_NOINTERFACE \(0x80004002\)\n/)
      // What these say, Wireshark only names: impacket read it.
      for (const operation of ['RemQueryInterface2 (6)', 'RemAddRef (4)', 'ResolveOxid (0)']) {
        decoded('Request', operation)
        decoded('Response', operation)
      }
      decoded('Request', 'RemRelease (5)', /RemInterfaceRef\[1\]: IPID=.*\n        IPID: .*\n        PublicRefs: 1\n/)
      decoded('Response', 'RemRelease (5)', answered)
      decoded('Request', 'ComplexPing (2)', /AddToSet: 2\n +DelFromSet: 0\n +OID: 0x0000000000000001\n/)
      decoded('Response', 'ComplexPing (2)', /SetId: 0x(?!0{16})[0-9a-f]{16}\n/, answered)
      decoded('Request', 'SimplePing (1)', /SetId: 0x(?!0{16})[0-9a-f]{16}\n/)
      decoded('Response', 'SimplePing (1)', answered)
      decoded('Response', 'ResolveOxid2 (4)', address, answered)
      decoded('Response', 'ServerAlive (3)', answered)
      decoded('Response', 'ServerAlive2 (5)', address)
    })

    await t.test('ndrdump reads an activation with its references', async () => {
      const fields = ['-T', 'fields', '-e', '_ws.col.Info', '-e', 'tcp.payload']
      const { output: rows } = await run(['tshark', '-r', capture, ...fields])
      const payload = async (what: string): Promise<string> => {
        const row = rows.split('\n').find((each) => each.startsWith(what)) ?? ''
        const file = join(folder, what.slice(-8))
        // Behind the header of a request and of a response, 24 bytes each.
        await writeFile(file, Buffer.from(row.split('\t')[1] ?? '', 'hex').subarray(24))
        return file
      }
      const [request, response] = [
        await payload('RemoteActivation request'),
        await payload('RemoteActivation response'),
      ]
      const dump = ['ndrdump', `--context-file=${request}`, 'IRemoteActivation', 'RemoteActivation', 'out', response]
      const read = await run(dump)
      assert.match(read.output, /pull returned Success/, read.output)
      assert.match(read.output, /NetworkAddr +: '127\.0\.0\.1\[135\]'/)
      assert.match(read.output, /iid +: 5b1c1f0e-8a77-4f37-9a3d-2f5f4f6d1c02/)
      assert.match(read.output, /dump OK/)
      assert.doesNotMatch(read.output, /WARNING/)
    })
  })
})

describe('npm run peer:dcom', { skip: missing(['impacket']) }, () => {
  test('a calculator and a file store for impacket, in a network namespace of their own', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'busbar-dcom-files-'))
    await writeFile(join(folder, 'note.txt'), 'written beforehand')
    const line = ours('scripts/peer-dcom.ts', '--listen', '127.0.0.1:135', '--files', folder)
    const peer = await start(line, /listening on 127\.0\.0\.1:135/)
    try {
      const { output } = await run([PYTHON, '-B', 'test/judges/impacket_peer.py'], peer)
      assert.deepEqual(jsonLine(output), { add: 42, wraps: 0, size: 18, read: 'beforehand', missing: 0x8000_4005 })
      assert.equal(peer.output().trim().split('\n').length, 1)
    } finally {
      await peer.stop()
      await rm(folder, { recursive: true, force: true })
    }
  })
})
