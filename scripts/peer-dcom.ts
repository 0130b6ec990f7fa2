/**
 * A DCOM server for peers that nobody here wrote: a calculator and a file store.
 *
 *   npm run peer:dcom -- --listen 127.0.0.1:135 [--files DIRECTORY] [--netns]
 *
 * DCOM clients look for the object resolver on port 135 alone. Where that port is taken or not allowed, `--netns` runs the
 * server in a network namespace of its own, with nothing but a loopback: `nsenter --net --target PROCESS` enters it. Whoever
 * can connect may call: there is no authentication. The files are those of DIRECTORY, read-only; without it those of an empty one.
 */
import { spawn } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { BusbarError } from '../src/errors/index.ts'
import { contract, method, t } from '../src/rpc/index.ts'
import { DcomServer, DiskFileStore, FileStore } from '../src/services/index.ts'
import { nodeEnv } from '../src/transport/index.ts'
import { listenDcom } from './dcom-listener.ts'

const CALCULATOR_CLASS = '9d1f5c0a-0000-4000-8000-000000000001'
const Calculator = contract(
  'Calculator',
  { version: '1.0', uuid: '5b1c1f0e-8a77-4f37-9a3d-2f5f4f6d1c01' },
  { add: method({ a: t.uint32, b: t.uint32 }, t.uint32) },
)

/** The same program with a network of its own. */
function elsewhere(rest: readonly string[]): void {
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']
  const loopback = ['/bin/sh', '-c', 'ip link set lo up && exec "$@"', 'sh']
  const again = [process.execPath, ...process.execArgv, process.argv[1] ?? '', ...rest]
  const [command, ...line] = ['unshare', ...user, '--net', '--', ...loopback, ...again]
  const child = spawn(command, line, { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  child.once('error', (error) => fail(error))
  child.once('exit', (status) => process.exit(status ?? 1))
}

function fail(thrown: unknown): never {
  console.error(`peer:dcom: ${BusbarError.from(thrown, 'UNAVAILABLE').message}`)
  process.exit(1)
}

try {
  const { values } = parseArgs({
    options: {
      listen: { type: 'string', default: '127.0.0.1:135' },
      files: { type: 'string' },
      netns: { type: 'boolean', default: false },
    },
  })
  const { listen, files, netns } = values
  if (netns) elsewhere(process.argv.slice(2).filter((argument) => argument !== '--netns'))
  else {
    const server = new DcomServer({ env: nodeEnv() })
    server.offer(Calculator, { add: ({ a, b }) => (a + b) >>> 0 }, CALCULATOR_CLASS)
    server.offer(FileStore, new DiskFileStore(files ?? (await mkdtemp(join(tmpdir(), 'busbar-dcom-')))))
    const where = await listenDcom(listen, server)
    console.log(
      `calculator ${CALCULATOR_CLASS}, file store ${FileStore.uuid}: listening on ${where} (process ${process.pid})`,
    )
  }
} catch (thrown) {
  fail(thrown)
}
