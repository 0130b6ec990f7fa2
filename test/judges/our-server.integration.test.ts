/** Our server, judged by clients that nobody here wrote: Samba's smbtorture and impacket; and what they said, by Wireshark. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { jsonLine, missing, ours, PYTHON, run, smbtorture, start, type Started } from './judges.ts'
import { memoryPair } from '../../src/link/index.ts'
import { recording } from './recorder.ts'
import { recordedRelay } from './relay.ts'
import { wiresharkReads } from './wireshark.ts'

const ECHO = [
  ...['addone', 'sinkdata', 'echodata', 'sourcedata', 'testcall', 'testcall2', 'enum', 'surrounding', 'doublepointer'],
  'sleep',
].map((name) => `echo.${name}`)

const RUNNING = 'ncacn_ip_tcp:127.0.0.1'

describe('smbtorture against npm run peer:rpcecho', { skip: missing(['smbtorture', 'tshark'], false) }, () => {
  test('rpc.echo: all ten tests, over TCP, and Wireshark reads them', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'busbar-rpcecho-'))
    const peer = await start(ours('scripts/peer-rpcecho.ts', '--listen', '127.0.0.1:0'), /listening on/, false)
    try {
      const port = Number(/127\.0\.0\.1:(\d+)/.exec(peer.output())?.[1])
      const capture = join(folder, 'echo.pcapng')
      const relay = await recordedRelay(port, capture)
      try {
        const { passed, others, output } = await smbtorture(`${RUNNING}[${relay.port}]`, 'rpc.echo')
        assert.deepEqual({ passed, others }, { passed: ECHO, others: [] }, output)
      } finally {
        await relay.close()
      }
      const read = await wiresharkReads(capture)
      for (const type of ['Bind', 'Bind_ack', 'Request', 'Response']) {
        assert.match(read, new RegExp(`Packet type: ${type} \\(`), type)
      }
    } finally {
      await peer.stop()
      await rm(folder, { recursive: true, force: true })
    }
  })
})

describe('Wireshark as a judge', { skip: missing(['tshark'], false) }, () => {
  test('bytes that it takes for plain data are noticed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'busbar-plain-'))
    try {
      const recorded = recording(join(folder, 'plain.pcapng'))
      const [near] = memoryPair()
      await recorded.tap(near, 'client').write(new TextEncoder().encode('no RPC at all'))
      await recorded.keep()
      await assert.rejects(wiresharkReads(join(folder, 'plain.pcapng')), /no RPC at all|TCP/)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})

describe('our server on port 135', { skip: missing(['smbtorture', 'impacket', 'tshark']) }, () => {
  let folder: string
  let capture: string
  let server: Started
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'busbar-judges-'))
    capture = join(folder, 'exchange.pcapng')
    server = await start(ours('test/judges/judged-server.ts', '127.0.0.1:135', capture), /listening on/)
  })
  after(async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  })

  for (const option of ['padcheck', 'validate', 'bigendian']) {
    test(`smbtorture rpc.echo with ${option}: all ten tests`, async () => {
      const { passed, others, output } = await smbtorture(`${RUNNING}[135,${option}]`, 'rpc.echo', server)
      assert.deepEqual({ passed, others }, { passed: ECHO, others: [] }, output)
    })
  }

  const suites: { suite: string; passed: string[]; options?: string[]; exceptions?: Record<string, string> }[] = [
    { suite: 'rpc.mgmt', passed: ['mgmt'] },
    {
      // The names speak of signing; without a user smbtorture binds without authentication.
      suite: 'rpc.bind',
      passed: [
        ...['', 'bigendian,'].flatMap((order) =>
          ['ntlm,sign', 'ntlm,sign,seal', 'spnego,sign', 'spnego,sign,seal'].map((rest) => order + rest),
        ),
        'assoc_group_handles_external',
      ],
    },
    { suite: 'rpc.altercontext', passed: ['altercontext'] },
    { suite: 'rpc.asyncbind', passed: ['asyncbind'], options: ['--async', '--num-async=50'] },
    {
      suite: 'rpc.epmapper',
      passed: ['epmapper.Map_simple', 'epmapper.Lookup_terminate_search'],
      exceptions: {
        'epmapper.Map_full': 'registers an interface from afar, which nobody may; nor does Samba let it',
        'epmapper.Lookup_simple':
          'wants status not_registered beside the last entries, which impacket takes for an error',
        'epmapper.Insert_noreplace': 'registers an interface from afar, which nobody may; nor does Samba let it',
      },
    },
  ]
  for (const { suite, passed, options, exceptions = {} } of suites) {
    test(`smbtorture ${suite}`, async () => {
      const found = await smbtorture(RUNNING, suite, server, options)
      const expected = { passed, others: Object.keys(exceptions) }
      assert.deepEqual({ passed: found.passed, others: found.others }, expected, found.output)
    })
  }

  test('impacket: rpcecho by hand, mgmt, epm, several contexts, fragments of 16 bytes', async () => {
    const { output } = await run([PYTHON, 'test/judges/impacket_client.py'], server)
    assert.deepEqual(jsonLine(output), {
      contexts: {
        listening: 0,
        again: null,
        nobody: 'Bind context 1 rejected',
        still: 0,
        reused: 0x1c01_000b,
        gone: true,
      },
      echo: {
        addOne: 42,
        echoData: true,
        sinkData: true,
        sourceData: '000102030405060708',
        testCall: 'input string\0',
        testCall2: { 3: 30, 4: 40 },
        testSurrounding: 6,
        testDoublePointer: 12,
        unknownOpnum: 'nca_s_op_rng_error',
        afterwards: 2,
      },
      smallFragments: true,
      management: {
        interfaces: [
          '60A15EC5-4DE8-11D7-A637-005056A20182 1.0',
          '12345778-1234-ABCD-EF00-0123456789AB 0.0',
          '3919286A-B10C-11D0-9BA8-00C04FD92EF5 0.0',
          '12345678-1234-ABCD-EF00-01234567CFFB 1.0',
          'E1AF8308-5D1F-11C9-91A4-08002B14A0FA 3.0',
        ],
        statistics: 4,
        listening: 0,
        stop: 5,
        name: 1747,
      },
      endpoints: {
        lookup: ['dssetup', 'endpoint mapper', 'lsarpc', 'netlogon', 'rpcecho'].map(
          (name) => `${name} ${RUNNING}[135]`,
        ),
        map: `${RUNNING}[135]`,
        nobody: 0x16c9_a0d6,
      },
      bogus: 10,
    })
  })

  test('tshark reads everything they said: nothing malformed, nothing left unassembled', async () => {
    await server.stop()
    // What smbtorture sends wrongly on purpose is no fault of the bytes around it: Wireshark finds nothing to complain of.
    const output = await wiresharkReads(capture)
    for (const type of ['Bind', 'Bind_ack', 'Alter_context', 'Alter_context_resp', 'Request', 'Response', 'Fault']) {
      assert.match(output, new RegExp(`Packet type: ${type} \\(`), type)
    }
    // Wireshark names the interfaces that it knows; rpcecho is none of them.
    for (const name of ['60a15ec5-4de8-11d7-a637-005056a20182', 'EPMv4', 'MGMT', 'LSARPC']) {
      assert.match(output, new RegExp(`Abstract Syntax: ${name} `), name)
    }
  })
})
