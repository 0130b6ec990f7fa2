/** `npm run demo` holds, on processes and on real virtual machines. */
import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkRequirements, installCommand } from '../src/partition/index.ts'
import { PROGRAM } from './built-bus.ts'
import { RunningProgram } from './running-program.ts'

/** Where the demos of this file put what they make: nothing of it may be left. */
let directory: string

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'busbar-demos-'))
})
after(() => rm(directory, { recursive: true, force: true }))

function demo(args: readonly string[], env: Readonly<Record<string, string>> = {}): RunningProgram {
  return new RunningProgram(PROGRAM, ['demo', ...args], { cwd: directory, env: { TMPDIR: directory, ...env } })
}

async function runDemo(...args: string[]): Promise<{ status: number | null; out: string; err: string }> {
  await using running = demo(args)
  const status = await running.ended()
  return { status, out: running.out, err: running.err }
}

/** What every demo shows, whatever its partitions are. */
const SHOWN = [
  /^ +\d+\.\d\d s {2}list the files of "storage" from "web": .*report\.bin/m,
  /stream it and compare its SHA-256: 67\.1 MB at .* equal$/m,
  /call what is not in the contract: NOT_IN_CONTRACT, 0 bytes sent/m,
  /open what policy does not allow: DENIED/m,
  /write garbage on a pipe: MALFORMED, only that channel died/m,
  /kill "storage" with SIGKILL during a call: "web" got PEER_DIED after \d+ ms/m,
  /start both again, in new epochs: storage \(epoch 2\), web \(epoch 2\)/m,
  /all of it held$/m,
]

async function leftovers(): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.startsWith('busbar-demo-'))
}

test('the demo on processes', { timeout: 120_000 }, async () => {
  const { status, out, err } = await runDemo('--kind', 'process')
  assert.equal(status, 0, err)
  for (const line of SHOWN) assert.match(out, line)
  assert.match(err, /without isolation/)
  assert.deepEqual(await leftovers(), [])
})

test('the demo on virtual machines', { timeout: 300_000 }, async (context) => {
  const missing = installCommand(await checkRequirements())
  if (missing !== undefined) {
    assert.equal(process.env['CI'], undefined, `QEMU must be there in CI: ${missing}`)
    return context.skip(`virtual machines cannot be started here: ${missing}`)
  }
  const { status, out, err } = await runDemo('--kind', 'qemu')
  assert.equal(status, 0, `${out}\n${err}`)
  for (const line of SHOWN) assert.match(out, line)
  assert.match(out, /boot two virtual machines: storage \(epoch 1\), web \(epoch 1\)/)
  assert.match(err, /storage: QEMU with (TCG|KVM)/)
  assert.deepEqual(await leftovers(), [])
})

test('Ctrl-C in the middle of a step ends the demo there, and nothing of it is left', {
  timeout: 120_000,
}, async () => {
  await using running = demo(['--kind', 'process'])
  await running.printed(/start two processes: /)
  assert.equal((await leftovers()).length, 1)
  assert.equal(await running.interrupted(), 130, running.err)
  assert.doesNotMatch(running.out, /all of it held/)
  assert.deepEqual(await leftovers(), [])
})

test('Ctrl-C again and again leaves nothing either', { timeout: 120_000 }, async () => {
  await using running = demo(['--kind', 'process'])
  await running.printed(/start two processes: /)
  let over = false
  const ended = running.ended().finally(() => {
    over = true
  })
  while (!over) {
    running.signal('SIGINT')
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal(await ended, 130)
  assert.deepEqual(await leftovers(), [])
})

/** A folder with programs that fail, and nothing else: as where apt knows no kernel. */
async function failingPrograms(): Promise<string> {
  const programs = await mkdtemp(join(directory, 'programs-'))
  for (const name of ['qemu-system-x86_64', 'mke2fs', 'dpkg', 'apt-get', 'apt-cache', 'ldd']) {
    await writeFile(join(programs, name), '#!/bin/sh\necho "called $0 $*" >&2\nexit 1\n')
    await chmod(join(programs, name), 0o755)
  }
  return programs
}

test('without a kernel it says so, and runs on processes unless machines were asked for', {
  timeout: 240_000,
}, async () => {
  const env = { PATH: await failingPrograms(), XDG_CACHE_HOME: join(directory, 'cache') }
  await using running = demo([], env)
  assert.equal(await running.ended(), 0, running.err)
  assert.match(running.err, /^No virtual machines: the guest image cannot be built, so .* without isolation\.$/m)
  assert.match(running.err, /^ {2}→ apt/m)
  for (const line of SHOWN) assert.match(running.out, line)
  await using forced = demo(['--kind', 'qemu'], env)
  assert.equal(await forced.ended(), 1)
  assert.match(forced.err, /IMAGE_FAILED\)\n {2}→ kernel: /)
  assert.deepEqual(await leftovers(), [])
})

test('who asks for processes is not asked for the packages of virtual machines', { timeout: 240_000 }, async () => {
  const script = fileURLToPath(new URL('../scripts/demo.mjs', import.meta.url))
  const env = { PATH: await failingPrograms() }
  await rm(join(env.PATH, 'qemu-system-x86_64'))
  for (const kind of [['--kind', 'process'], ['--kind=process']]) {
    await using running = new RunningProgram(script, [...kind, '--help'], { cwd: directory, env })
    assert.equal(await running.ended(), 0, running.err)
    assert.match(running.out, /^busbar demo/)
    assert.doesNotMatch(running.err, /apt-get|not installed/)
  }
})

test('a wrong kind is a mistake with a hint', async () => {
  const { status, err } = await runDemo('--kind', 'cloud')
  assert.equal(status, 1)
  assert.match(err, /--kind is qemu or process, found "cloud"/)
})
