/** Our server, judged by Samba's tests of the raw protocol, which Samba holds against Windows as well as against itself. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { missing, ours, PYTHON, run, start, type Started } from './judges.ts'
import { wiresharkReads } from './wireshark.ts'

/** Parts of the names of those tests that need no authentication. */
const PARTS = [
  ...['no_auth', 'no_ctx', 'noctx', 'auth_none', 'neg_xmit', 'alloc_hint', '_requests', 'cancel', 'orphaned'],
  'assoc_group',
]

/** Where we do not do as Samba does, each with the reason. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  test_assoc_group_ok2: 'needs a named pipe over SMB',
  test_assoc_group_fail3: 'needs a named pipe over SMB',
  test_fragmented_requests04: 'a request announced above the limit costs that call; Samba closes the connection',
  test_fragmented_requests05: 'a request above the limit costs that call; Samba closes the connection',
  test_no_auth_bind_time_sec_ctx_ignore_additional:
    'security context multiplexing is not offered: there are no contexts',
  test_no_auth_presentation_ctx_invalid4: 'NDR64 is an unknown transfer syntax to us, not a forbidden one',
  test_no_auth_presentation_ctx_no_ndr64: 'we accept several new contexts in one PDU, as C706 says; Windows only one',
  test_orphaned_request_after_first_no_last: 'orphaned ends a request that has not come whole (C706 12.6.4.8)',
  test_orphaned_request_after_first_mpx_no_last: 'orphaned ends a request that has not come whole (C706 12.6.4.8)',
}

/** Each sends 4 MiB in fragments and waits behind every one of them: they run beside the others. */
const SLOW = ['test_fragmented_requests01', 'test_fragmented_requests02', 'test_fragmented_requests03']

describe("Samba's tests of the raw protocol", { skip: missing(['Samba for Python', 'tshark']) }, () => {
  let folder: string
  let capture: string
  let server: Started
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'busbar-raw-'))
    capture = join(folder, 'raw.pcapng')
    server = await start(ours('test/judges/judged-server.ts', '127.0.0.1:135', capture), /listening on/)
  })
  after(async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test('what needs no authentication passes, but for the exceptions', async () => {
    const judge = (...args: string[]): ReturnType<typeof run> =>
      run([PYTHON, 'test/judges/raw_protocol.py', ...args], server)
    const runs = await Promise.all([
      judge(...PARTS, '--except', ...SLOW, ...Object.keys(EXCEPTIONS)),
      ...SLOW.map((name) => judge(name)),
    ])
    const lines = runs.flatMap(({ output }) => output.split('\n').filter((line) => line.startsWith('{')))
    const results = lines.map((line) => JSON.parse(line) as { test: string; passed: boolean; why: string })
    for (const { test: name, passed, why } of results) assert.ok(passed, `${name}: ${why}`)
    assert.equal(results.length, 81, runs.map(({ output }) => output).join('\n'))
  })

  test('the exceptions are no longer than they must be', async () => {
    const apart = Object.keys(EXCEPTIONS).filter((name) => !name.startsWith('test_fragmented'))
    const { output } = await run([PYTHON, 'test/judges/raw_protocol.py', ...apart], server)
    const results = output.split('\n').filter((line) => line.startsWith('{'))
    const passed = results.map((line) => JSON.parse(line) as { test: string; passed: boolean })
    assert.deepEqual(
      passed.filter((each) => each.passed),
      [],
    )
    assert.equal(passed.length, apart.length)
  })

  test('tshark reads everything they said: nothing malformed, nothing left unassembled', async () => {
    await server.stop()
    const output = await wiresharkReads(capture)
    for (const type of ['Bind_nak', 'Alter_context_resp', 'Fault', 'Orphaned', 'Co_cancel']) {
      assert.match(output, new RegExp(`Packet type: ${type} \\(`), type)
    }
  })
})
