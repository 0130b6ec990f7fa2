import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { BusbarError } from '../errors/index.ts'
import { launchProcess, type LaunchProcessOptions, type ProcessPartition } from './launch-process.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'busbar-test-'))
})

afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

async function launchScript(script: string, options: Partial<LaunchProcessOptions> = {}): Promise<ProcessPartition> {
  const command = join(directory, 'program.mjs')
  await writeFile(command, script)
  return launchProcess({ name: 'alpha', command, ...options })
}

/** Settles when every holder of the other end of a pipe is gone. */
async function pipeEnds(stream: NodeJS.ReadableStream): Promise<void> {
  await text(stream)
}

const OPEN_BUS = `import { Socket } from 'node:net'
const bus = new Socket({ fd: Number(process.env.BUSBAR_FD), allowHalfOpen: true })
`

describe('a process as a partition', () => {
  it('has a two-way byte stream at the descriptor it is told', async () => {
    const partition = await launchScript(`${OPEN_BUS}bus.pipe(bus)`)
    partition.socket.end('there and back')
    assert.equal(await text(partition.socket), 'there and back')
    assert.deepEqual(await partition.exited, { code: 0, signal: null, reason: undefined })
    await partition.stop()
  })

  it('gets a small environment, and its output line by line', async () => {
    process.env['BUSBAR_TEST_SECRET'] = 'not for partitions'
    const lines: string[] = []
    try {
      const script =
        'console.log(Object.keys(process.env).sort().join()); console.error(process.argv[2]); process.stdout.write("last")'
      const partition = await launchScript(script, {
        env: { COLOUR: 'blue' },
        args: ['argument'],
        onLine: (line, from) => lines.push(`${from} ${line}`),
      })
      await partition.exited
      await partition[Symbol.asyncDispose]()
    } finally {
      delete process.env['BUSBAR_TEST_SECRET']
    }
    const environment = lines.find((line) => line.includes('BUSBAR_FD')) ?? ''
    assert.match(environment, /BUSBAR_PARTITION.*COLOUR/)
    assert.doesNotMatch(environment, /SECRET/)
    assert.ok(lines.includes('stderr argument'))
    assert.ok(lines.includes('stdout last'))
  })

  it('writes a log file', async () => {
    const logPath = join(directory, 'log')
    const partition = await launchScript('console.log("out"); console.error("err")', { logPath })
    await partition.exited
    assert.equal(await readFile(logPath, 'utf8'), 'out\nerr\n')
    await partition[Symbol.asyncDispose]()
  })

  it('tells how it crashed, and its stream ends', async () => {
    const partition = await launchScript('process.kill(process.pid, "SIGSEGV"); setInterval(() => {}, 1000)')
    await pipeEnds(partition.socket)
    assert.deepEqual(await partition.exited, { code: null, signal: 'SIGSEGV', reason: undefined })
    const second = await launchScript('process.exit(7)')
    assert.equal((await second.exited).code, 7)
    await Promise.all([partition.stop(), second.stop()])
    partition.kill()
    assert.deepEqual(partition.inspect()['exit'], { code: null, signal: 'SIGSEGV', reason: undefined })
    second.socket.destroy()
  })

  it('ends when asked, or is ended when it does not listen', async () => {
    const polite = await launchScript(`${OPEN_BUS}process.on('SIGTERM', () => process.exit(3)); bus.write('up')`)
    await new Promise((resolve) => polite.socket.once('data', resolve))
    assert.equal((await polite.stop()).code, 3)
    const deaf = await launchScript(`${OPEN_BUS}process.on('SIGTERM', () => {}); bus.write('up')`)
    await new Promise((resolve) => deaf.socket.once('data', resolve))
    assert.equal((await deaf.stop({ graceMs: 50 })).signal, 'SIGKILL')
    for (const { socket } of [polite, deaf]) socket.destroy()
  })

  it('takes its children with it', async () => {
    // The child inherits the bus, so the stream ends only when it is dead too.
    const script = `${OPEN_BUS}import { spawn } from 'node:child_process'
spawn('sleep', ['1000'], { stdio: ['ignore', 'ignore', 'ignore', 3] })
bus.write('up')`
    const partition = await launchScript(script)
    await new Promise((resolve) => partition.socket.once('data', resolve))
    process.kill(partition.pid, 'SIGKILL')
    await pipeEnds(partition.socket)
    assert.equal((await partition.exited).signal, 'SIGKILL')
    await partition.stop()
  })

  it('is refused with a code when there is no such program, or the name is none', async () => {
    const refused =
      (code: string) =>
      (error: unknown): boolean =>
        error instanceof BusbarError && error.code === code
    await assert.rejects(launchProcess({ name: 'alpha', command: '/no/such/program' }), refused('LAUNCH_FAILED'))
    await assert.rejects(
      launchProcess({ name: 'alpha', command: 'sh', cwd: '/no/such/place' }),
      refused('LAUNCH_FAILED'),
    )
    await assert.rejects(
      launchProcess({ name: 'alpha', command: 'sh', logPath: '/no/such/log' }),
      refused('LAUNCH_FAILED'),
    )
    await assert.rejects(launchProcess({ name: 'Not A Name', command: 'sh' }), refused('INVALID_ARGUMENT'))
  })

  it('does not outlive a parent that is killed', async () => {
    const module = fileURLToPath(new URL('./launch-process.ts', import.meta.url))
    const socketPath = join(directory, 'sock')
    const server = createServer().listen(socketPath)
    const connected = once(server, 'connection') as Promise<[Socket]>
    const orphan = join(directory, 'orphan.mjs')
    await writeFile(orphan, `import { connect } from 'node:net'\nconnect(process.argv[2])`)
    const parent = join(directory, 'parent.mts')
    await writeFile(
      parent,
      `import { launchProcess } from ${JSON.stringify(module)}
await launchProcess({ name: 'orphan', command: ${JSON.stringify(orphan)}, args: [${JSON.stringify(socketPath)}] })`,
    )
    const child = spawn(process.execPath, ['--import', 'tsx', parent], { stdio: 'inherit' })
    const [connection] = await connected
    child.kill('SIGKILL')
    await pipeEnds(connection)
    server.close()
  })
})
