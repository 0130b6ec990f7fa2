/** Our client, judged by Samba's server: plain calls over its Unix socket and over TCP. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { jsonLine, missing, ours, PYTHON, run, start, type Started } from './judges.ts'
import { wiresharkReads } from './wireshark.ts'

/** A Samba that keeps everything in one folder and starts nothing by itself. */
function configuration(folder: string): string {
  const places = ['private dir', 'state directory', 'cache directory', 'lock directory', 'pid directory', 'ncalrpc dir']
  return [
    '[global]',
    ...places.map((place) => `${place} = ${join(folder, place.split(' ')[0] ?? '')}`),
    `log file = ${join(folder, 'log')}`,
    'workgroup = JUDGES',
    'netbios name = JUDGE',
    'server string = a judge',
    'server role = standalone server',
    'map to guest = Bad User',
    'interfaces = 127.0.0.1/8',
    'bind interfaces only = yes',
    'disable netbios = yes',
    'rpc start on demand helpers = no',
    'rpc server dynamic port range = 49152-49172',
    'load printers = no',
    'printing = bsd',
    'printcap name = /dev/null',
    'disable spoolss = yes',
    '[files]',
    `path = ${folder}`,
    'comment = some files',
    '',
  ].join('\n')
}

const asRoot = process.getuid?.() === 0
const notRoot = asRoot || process.env['CI'] !== undefined ? false : 'Samba serves as root only'

describe("our client against Samba's server", {
  skip: missing(['samba-dcerpcd', 'rpcd_classic', 'impacket', 'tshark']) || notRoot,
}, () => {
  let folder: string
  let samba: Started
  before(async () => {
    assert.ok(asRoot, 'Samba serves as root only')
    folder = await mkdtemp(join(tmpdir(), 'busbar-samba-'))
    for (const name of ['private', 'state', 'cache', 'lock', 'pid', 'ncalrpc']) {
      // Samba wants its sockets in a folder of exactly these permissions.
      await mkdir(join(folder, name), { mode: 0o755 })
    }
    const file = join(folder, 'smb.conf')
    await writeFile(file, configuration(folder))
    // It writes a byte to standard output when it listens everywhere.
    const flags = [
      '--libexec-rpcds',
      '--foreground',
      '--no-process-group',
      '--ready-signal-fd=1',
      `--configfile=${file}`,
    ]
    const daemon = ['/usr/libexec/samba/samba-dcerpcd', ...flags, `--log-basename=${folder}`]
    samba = await start(daemon, /[^]/)
  })
  after(async () => {
    await samba.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test('srvsvc, wkssvc, epmapper and mgmt, over its Unix socket and over TCP', async () => {
    const sockets = ['rpcd_classic', 'EPMAPPER'].map((name) => join(folder, 'ncalrpc', name))
    const capture = join(folder, 'calls.pcapng')
    const { output } = await run(ours('test/judges/call-samba.ts', ...sockets, capture), samba)
    const services = {
      clock: true,
      shares: ['IPC$ 2147483651 IPC Service (a judge)', 'files 0 some files'],
      total: 2,
      workstation: 'JUDGE in JUDGES, platform 500',
      interfaces: true,
      beyond: 'NOT_IN_CONTRACT 1c010002',
      fragment: 5_840,
      group: true,
    }
    const { endpoints, ...found } = jsonLine(output) as {
      endpoints: { overTcp: Mapped; overUnix: Mapped }
      unix: unknown
      tcp: unknown
    }
    assert.deepEqual(found, { unix: services, tcp: services }, output)
    assert.deepEqual(endpoints.overTcp, endpoints.overUnix)
    const { known, readable, srvsvc } = endpoints.overTcp
    assert.ok(known > 10 && readable && srvsvc >= 49_152 && srvsvc <= 49_172, output)

    const read = await wiresharkReads(capture)
    // Question and answer, over both transports.
    for (const name of [
      'Server Service, NetRemoteTOD',
      'Server Service, NetShareEnumAll',
      'Workstation Service, NetWkstaGetInfo',
      'DCE/RPC Remote Management, rpc__mgmt_inq_if_ids',
      'DCE/RPC Endpoint Mapper, Map',
    ]) {
      assert.equal(read.split('\n').filter((line) => line === name).length, 4, name)
    }
  })

  test('what our server says to a context id for other interfaces is what Samba says', async () => {
    const { output } = await run([PYTHON, 'test/judges/impacket_client.py', '--contexts-only'], samba)
    assert.deepEqual(jsonLine(output), {
      contexts: {
        listening: 0,
        again: null,
        nobody: 'Bind context 1 rejected',
        still: 0,
        reused: 0x1c01_000b,
        gone: true,
      },
    })
  })
})

interface Mapped {
  readonly known: number
  readonly readable: boolean
  readonly srvsvc: number
}
