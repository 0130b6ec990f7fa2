/** `busbar up` when partitions do not come, its audit log, and what the other commands say while they wait. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Endpoint, MuxCarrier } from '../src/bus/index.ts'
import type { ByteLink } from '../src/link/index.ts'
import { parseBusConfig } from '../src/policy/index.ts'
import { listenUnix, nodeEnv } from '../src/transport/index.ts'
import { installed, PROGRAM } from './built-bus.ts'
import { RunningProgram } from './running-program.ts'

let directory: string

before(async () => {
  directory = await installed('up')
})
after(() => rm(directory, { recursive: true, force: true }))

function busbar(args: readonly string[], env: Readonly<Record<string, string>> = {}, input?: string): RunningProgram {
  const options = { cwd: directory, env: { XDG_RUNTIME_DIR: directory, ...env } }
  return new RunningProgram(PROGRAM, args, input === undefined ? options : { ...options, input })
}

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(directory, name), text)
  return name
}

function events(out: string, kind: string): Record<string, unknown>[] {
  const all = out.split('\n').filter((line) => line !== '')
  return all.map((line) => JSON.parse(line) as Record<string, unknown>).filter((event) => event['kind'] === kind)
}

const NEVER = "[node, -e, 'setInterval(() => {}, 1e6)']"

test('the file in its help is one', { timeout: 120_000 }, async () => {
  await using up = busbar(['up', '--help'])
  assert.equal(await up.ended(), 0)
  const [, text = ''] = /^A file to begin with:\n((?: {2}.*\n)+)/m.exec(up.out) ?? []
  assert.equal(parseBusConfig(text, 'help').partitions.size, 2)
})

describe('partitions that do not come', () => {
  test('one that cannot start ends the bus at once, while another never attaches', { timeout: 120_000 }, async () => {
    const config = await file(
      'missing-program.yaml',
      `partitions:\n  a: { kind: process, run: [/no/such/program] }\n  b: { kind: process, run: ${NEVER} }\n`,
    )
    for (const json of [false, true]) {
      await using up = busbar(['up', config, '--socket', 'a.sock', ...(json ? ['--json'] : [])])
      assert.equal(await up.ended(), 1)
      assert.match(up.err, /LAUNCH_FAILED\)\n {2}→ launch: \/no\/such\/program could not be started/)
      if (!json) assert.match(up.err, /^a: cannot be started, LAUNCH_FAILED .*\/no\/such\/program/m)
      else assert.deepEqual(events(up.out, 'failed')[0]?.['partition'], 'a')
    }
  })

  test('it says what it waits for, and Ctrl-C ends that', { timeout: 120_000 }, async () => {
    const config = await file('silent.yaml', `partitions:\n  b: { kind: process, run: ${NEVER} }\n`)
    await using up = busbar(['up', config, '--socket', 'b.sock'])
    await up.printed(/^waiting for partition "b" to attach \(1 s\)$/m)
    assert.equal(await up.interrupted(), 130)
  })

  test('the bus is up without one that somebody else starts, and takes it when it comes, and again', {
    timeout: 120_000,
  }, async () => {
    const config = await file('external.yaml', 'partitions:\n  vm: { kind: external, medium: unix, socket: vm.sock }\n')
    await using up = busbar(['up', config, '--socket', 'c.sock', '--json'])
    await up.printed(/^the bus is up at c\.sock without partition "vm" so far; Ctrl-C stops it$/m)
    const [failure] = events(up.out, 'failed')
    assert.deepEqual([failure?.['partition'], failure?.['again']], ['vm', true])
    const env = nodeEnv()
    const arrived: ByteLink[] = []
    let come: () => void = () => {}
    const onLink = (link: ByteLink): void => {
      arrived.push(link)
      come()
    }
    await using _listener = await listenUnix(join(directory, 'vm.sock'), { onLink })
    for (const epoch of [1, 2]) {
      while (arrived.length < epoch) await new Promise<void>((resolve) => (come = resolve))
      const link = arrived[epoch - 1] ?? assert.fail('no link')
      const vm = await Endpoint.attach(new MuxCarrier(link, { side: 'partition', env }), { env })
      assert.deepEqual(vm.identity, { partition: 'vm', epoch })
      vm.close()
    }
    assert.equal(await up.interrupted(), 0)
  })

  test('its socket is the one that BUSBAR_SOCKET names, as its help says', { timeout: 120_000 }, async () => {
    const config = await file('none.yaml', 'policy: []\n')
    await using up = busbar(['up', config], { BUSBAR_SOCKET: join(directory, 'named.sock') })
    await up.printed(/^the bus is up at .*named\.sock; Ctrl-C stops it$/m)
    await using ls = busbar(['ls'], { BUSBAR_SOCKET: join(directory, 'named.sock') })
    assert.equal(await ls.ended(), 0)
    await using second = busbar(['up', config], { BUSBAR_SOCKET: join(directory, 'named.sock') })
    assert.equal(await second.ended(), 1)
    assert.match(second.err, /BUSY\)\n {2}→ listen: another process listens on .*\n.*\n {2}→ run `busbar ls`/)
    assert.equal(await up.interrupted(), 0)
  })
})

const CALLER = `
import { attach } from 'busbar'
const bus = await attach()
await bus.offer('log', (pipe) => pipe.resume())
for (const service of ['log', 'secret']) await bus.open('web/' + service).then((pipe) => pipe.destroy(), () => {})
console.log('asked')
`

test('each decision is in the audit log with its rule, what is quiet too', { timeout: 120_000 }, async () => {
  await file('caller.mjs', CALLER)
  const config = await file(
    'audit.yaml',
    'partitions:\n  web: { kind: process, run: [node, caller.mjs] }\npolicy:\n  - { allow: web, to: web, service: log }\n',
  )
  await using up = busbar(['up', config, '--socket', 'audit.sock', '--json', '--quiet'])
  await up.printed(/"line":"asked"/)
  const [, path = ''] = await up.printed(/"auditLog":"([^"]+)"/)
  await using ls = busbar(['ls', '--socket', 'audit.sock'])
  assert.equal(await ls.ended(), 0)
  assert.equal(await up.interrupted(), 0)
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n')
  const decisions = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.deepEqual(
    decisions.map(({ sequence, caller, service, allowed, rule }) => [sequence, caller, service, allowed, rule]),
    [
      [1, 'web', 'log', true, 1],
      [2, 'web', 'secret', false, null],
      [3, 'host', 'busbar.Operator', true, null],
    ],
  )
  await using told = busbar(['up', config, '--socket', 'audit.sock'])
  await told.printed(/^decisions are recorded in .*audit-[0-9a-f]{12}\.jsonl$/m)
  assert.equal(await told.interrupted(), 0)
})

describe('what takes long', () => {
  test('a bus that does not answer is waited for aloud, and left at once', { timeout: 120_000 }, async () => {
    const silent = net.createServer((program) => program.on('error', () => {}).resume())
    silent.listen(join(directory, 'silent.sock'))
    await once(silent, 'listening')
    const target = ['--socket', 'silent.sock']
    for (const args of [['ls'], ['call', 'a/b', 'c'], ['pipe', 'a/b'], ['capture', '-w', 'x.pcapng']]) {
      await using command = busbar([...args, ...target])
      await command.printed(/^waiting for the bus \(1 s\)$/m)
      assert.equal(await command.interrupted(), 130, args.join(' '))
      assert.doesNotMatch(command.err, /DEADLINE/)
    }
    silent.close()
  })

  test('the items of a stream are waited for aloud', { timeout: 120_000 }, async () => {
    await file(
      'drip.mjs',
      `
import { attach, contract, method, t } from 'busbar'
const bus = await attach()
const Drip = contract('test.Drip', { version: '1.0' }, { drip: method({}, t.stream(t.uint32)) })
await bus.offer(Drip, { async *drip() { yield 7; await new Promise(() => setInterval(() => {}, 1e6)) } })
console.log('ready')
`,
    )
    const config = await file('drip.yaml', 'partitions:\n  web: { kind: process, run: [node, drip.mjs] }\n')
    await using up = busbar(['up', config, '--socket', 'drip.sock'])
    await up.printed(/ready/)
    await using call = busbar(['call', 'web/test.Drip', 'drip', '--socket', 'drip.sock'])
    await call.printed(/^waiting for the next item of web\/test\.Drip drip \(\d+ s\)$/m)
    assert.equal(call.out, '7\n')
    assert.equal(await call.interrupted(), 130)
    // Now the bus itself says nothing any more; the call is on its way.
    await using second = busbar(['call', 'web/test.Drip', 'drip', '--socket', 'drip.sock'])
    await second.printed(/^7$/m)
    up.signal('SIGSTOP')
    assert.equal(await second.interrupted(), 130)
    up.signal('SIGCONT')
    assert.equal(await up.interrupted(), 0)
  })

  test('the guest image is waited for aloud, and Ctrl-C leaves nothing of it', { timeout: 120_000 }, async () => {
    // Programs as the image needs them, of which one never ends.
    const programs = join(directory, 'programs')
    await mkdir(programs)
    for (const name of ['qemu-system-x86_64', 'mke2fs', 'dpkg', 'apt-get', 'ldd', 'apt-cache']) {
      const script = `#!${process.execPath}\nsetInterval(() => {}, 1e6)\n`
      await writeFile(join(programs, name), script)
      await chmod(join(programs, name), 0o755)
    }
    const cache = join(directory, 'cache')
    await using image = busbar(['image', 'build', '--cache', cache], { PATH: programs })
    await image.printed(/^waiting for the guest image \(1 s\)$/m)
    assert.equal(await image.interrupted(), 130)
    assert.deepEqual(await readdir(cache).catch(() => []), [])
  })
})

describe('data for programs', () => {
  test('pipe --json: how it ended, and the bytes of each direction, as the last line of standard error', {
    timeout: 120_000,
  }, async () => {
    await file(
      'echo.mjs',
      `
import { attach } from 'busbar'
const bus = await attach()
await bus.offer('twice', async (pipe) => {
  for await (const chunk of pipe.iterator({ destroyOnReturn: false })) pipe.write(Buffer.concat([chunk, chunk]))
  pipe.end()
})
console.log('ready')
`,
    )
    const config = await file('echo.yaml', 'partitions:\n  web: { kind: process, run: [node, echo.mjs] }\n')
    await using up = busbar(['up', config, '--socket', 'echo.sock'])
    await up.printed(/ready/)
    const piped = async (name: string, input: string): Promise<[number | null, string, Record<string, unknown>]> => {
      await using pipe = busbar(['pipe', name, '--json', '--socket', 'echo.sock'], {}, input)
      const status = await pipe.ended()
      return [status, pipe.out, JSON.parse(pipe.err.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>]
    }
    const [status, out, record] = await piped('web/twice', 'abc')
    assert.deepEqual([status, out], [0, 'abcabc'])
    const said = { schemaVersion: 1, pipe: 'web/twice', mode: 'byte', outcome: 'ended', sent: 3, received: 6 }
    assert.deepEqual(record, said)
    const [failed, nothing, why] = await piped('web/nothing', 'abc')
    assert.deepEqual([failed, nothing, why['outcome'], why['sent']], [1, '', 'failed', 0])
    assert.equal((why['error'] as { code: string }).code, 'NO_SUCH_SERVICE')
    assert.equal(await up.interrupted(), 0)
  })

  test('a wrong command line is data too', { timeout: 120_000 }, async () => {
    for (const args of [
      ['ls', '--nope', '--json'],
      ['ls', 'a', 'b', '--json'],
      ['nope', '--json'],
    ]) {
      await using command = busbar(args)
      assert.equal(await command.ended(), 2)
      const { error } = JSON.parse(command.out) as { error: { id: string; code: string; stage: string } }
      assert.deepEqual([error.id, error.code, error.stage], ['BUS-1001', 'INVALID_ARGUMENT', 'command line'])
    }
    await using pipe = busbar(['pipe', '--json'])
    assert.equal(await pipe.ended(), 2)
    assert.equal(pipe.out, '', 'standard output belongs to the pipe')
    assert.equal((JSON.parse(pipe.err) as { error: { code: string } }).error.code, 'INVALID_ARGUMENT')
  })

  test('arguments in a file that is not there are no bug in Busbar', { timeout: 120_000 }, async () => {
    await using call = busbar(['call', 'a/b', 'c', '@missing.json'])
    assert.equal(await call.ended(), 1)
    assert.match(call.err, /INVALID_ARGUMENT\)\n {2}→ arguments: .*"missing\.json"\n {2}→ system: ENOENT/)
  })
})
