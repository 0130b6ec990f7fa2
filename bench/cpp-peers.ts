import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, statSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** Calls in C++ over a Unix socket, as programs of `bench/peers/cpp` make them. */
export interface CppPeer {
  /** One call after the other for so many `milliseconds`; each call's time in ms. */
  serial(ms: number, bytes: number): Promise<number[]>
  /** Calls per second. */
  parallel(ms: number, bytes: number, inFlight: number): Promise<number>
}

interface Recipe {
  /** Packages of Debian, each with the program, or the module of pkg-config, that proves that it is installed. */
  readonly needs: Readonly<Record<string, { program: string } | { module: string }>>
  /** Makes C++ of the interface, in the folder where it is run. */
  readonly generate: readonly string[]
  readonly sources: readonly string[]
  readonly modules: readonly string[]
}

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const SOURCES = at('./peers/cpp')
const BUILD = at('../.cache/bench-cpp')
const COMPILER = { 'g++': { program: 'g++' }, 'pkg-config': { program: 'pkg-config' } } as const

export const CPP_PEERS = {
  'grpc-c++': {
    needs: {
      ...COMPILER,
      'libgrpc++-dev': { module: 'grpc++' },
      'libprotobuf-dev': { module: 'protobuf' },
      'protobuf-compiler': { program: 'protoc' },
      'protobuf-compiler-grpc': { program: 'grpc_cpp_plugin' },
    },
    generate: [
      'protoc',
      `-I${at('./stacks')}`,
      '--cpp_out=.',
      '--grpc_out=.',
      `--plugin=protoc-gen-grpc=${onPath('grpc_cpp_plugin')}`,
      at('./stacks/bench.proto'),
    ],
    sources: [join(SOURCES, 'grpc-echo.cc'), 'bench.pb.cc', 'bench.grpc.pb.cc'],
    modules: ['grpc++', 'protobuf'],
  },
  'capnp-c++': {
    needs: { ...COMPILER, 'libcapnp-dev': { module: 'capnp-rpc' }, capnproto: { program: 'capnp' } },
    generate: ['capnp', 'compile', '-oc++:.', `--src-prefix=${SOURCES}`, join(SOURCES, 'bench.capnp')],
    sources: [join(SOURCES, 'capnp-echo.cc'), 'bench.capnp.c++'],
    modules: ['capnp-rpc'],
  },
} satisfies Record<string, Recipe>

export type CppName = keyof typeof CPP_PEERS

const run = promisify(execFile)

function onPath(program: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path))
}

/** What has to be installed first, as a command; `undefined` when everything is there. */
export async function lacking(name: CppName): Promise<string | undefined> {
  const missing: string[] = []
  for (const [debian, proof] of Object.entries<Recipe['needs'][string]>(CPP_PEERS[name].needs)) {
    const there =
      'program' in proof
        ? onPath(proof.program) !== undefined
        : await run('pkg-config', ['--exists', proof.module]).then(
            () => true,
            () => false,
          )
    if (!there) missing.push(debian)
  }
  return missing.length === 0 ? undefined : `apt-get install ${missing.join(' ')}`
}

/** The program, built when it is older than anything that it is made of. */
async function built(name: CppName): Promise<string> {
  const { generate, sources, modules }: Recipe = CPP_PEERS[name]
  const folder = join(BUILD, name)
  const program = join(folder, 'echo')
  await mkdir(folder, { recursive: true })
  const inputs = [at('./stacks/bench.proto'), ...(await readdir(SOURCES)).map((file) => join(SOURCES, file))]
  const newest = Math.max(...inputs.map((path) => statSync(path).mtimeMs))
  if (existsSync(program) && statSync(program).mtimeMs > newest) return program
  const [command = '', ...words] = generate
  await run(command, words, { cwd: folder })
  const { stdout: flags } = await run('pkg-config', ['--cflags', '--libs', ...modules])
  const compile = ['-O2', '-std=c++17', '-I.', `-I${SOURCES}`, ...sources, '-o', program, ...flags.trim().split(/\s+/)]
  await run('g++', compile, { cwd: folder })
  return program
}

/** Two processes of a program, connected, as long as `use` runs. */
export async function withCpp<T>(name: CppName, use: (peer: CppPeer) => Promise<T>): Promise<T> {
  const program = await built(name)
  const directory = await mkdtemp(join(tmpdir(), 'busbar-bench-'))
  const path = join(directory, 's')
  const server = spawn(program, ['serve', path], { stdio: ['pipe', 'pipe', 'inherit'] })
  const client = spawn(program, ['call', path], { stdio: ['pipe', 'pipe', 'inherit'] })
  try {
    await once(server.stdout, 'data')
    return await use(asked(name, client))
  } finally {
    for (const child of [client, server]) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    await rm(directory, { recursive: true, force: true })
  }
}

function asked(name: CppName, { stdin, stdout }: ChildProcess): CppPeer {
  if (stdin === null || stdout === null) throw new Error(`${name} was started without pipes`)
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
  const ask = async (...load: number[]): Promise<number[]> => {
    stdin.write(`${load.join(' ')}\n`)
    const { value, done } = await lines.next()
    if (done === true) throw new Error(`${name} ended`)
    return value.split(' ').map(Number)
  }
  return {
    serial: async (ms, bytes) => (await ask(ms, bytes, 1)).slice(1).map((nanoseconds) => nanoseconds / 1e6),
    parallel: async (ms, bytes, inFlight) => (await ask(ms, bytes, inFlight))[0] ?? Number.NaN,
  }
}
