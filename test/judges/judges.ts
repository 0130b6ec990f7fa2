/** Programs of other people that judge ours, each started for one test and stopped behind it. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root: string = fileURLToPath(new URL('../..', import.meta.url))

/** How long a program may take to be ready or to finish, `milliseconds` (our choice: far above what any needs). */
const PATIENCE_MS = 120_000

/** Debian's own Python: another one earlier on the PATH does not see Debian's packages. */
export const PYTHON = '/usr/bin/python3'

/** Where to find what a judge needs, and what to install where it is missing. */
const PROGRAMS = {
  smbtorture: { path: 'smbtorture', debian: 'samba-testsuite' },
  ndrdump: { path: 'ndrdump', debian: 'samba-testsuite' },
  'Samba for Python': {
    path: '/usr/lib/python3/dist-packages/samba/tests/dcerpc/raw_protocol.py',
    debian: 'python3-samba',
  },
  impacket: { path: '/usr/lib/python3/dist-packages/impacket/dcerpc/v5/mgmt.py', debian: 'python3-impacket' },
  'samba-dcerpcd': { path: '/usr/libexec/samba/samba-dcerpcd', debian: 'samba-common-bin' },
  rpcd_classic: { path: '/usr/libexec/samba/rpcd_classic', debian: 'samba' },
  tshark: { path: 'tshark', debian: 'tshark' },
  unshare: { path: 'unshare', debian: 'util-linux' },
  ip: { path: 'ip', debian: 'iproute2' },
} as const

type Program = keyof typeof PROGRAMS

function isThere(path: string): boolean {
  if (path.startsWith('/')) return existsSync(path)
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.some((folder) => folder !== '' && existsSync(join(folder, path)))
}

const asRoot = process.getuid?.() === 0
/** A network of its own with port 135 free, in which the program behind it has only this machine's loopback. */
const NETWORK = [
  ...['unshare', ...(asRoot ? [] : ['--user', '--map-root-user']), '--net', '--'],
  ...['/bin/sh', '-c', 'ip link set lo up && exec "$@"', 'sh'],
]

/** Why a test with these judges is skipped; in CI it runs all the same, and fails. `network` is the need for one of its own. */
export function missing(programs: readonly Program[], network = true): string | false {
  if (process.env['CI'] !== undefined) return false
  const names: readonly Program[] = network ? [...programs, 'unshare', 'ip'] : programs
  const absent = names.filter((name) => !isThere(PROGRAMS[name].path))
  if (absent.length > 0) {
    return `not installed: ${absent.map((name) => `${name} (${PROGRAMS[name].debian})`).join(', ')}`
  }
  const [command, ...args] = [...NETWORK, 'true']
  if (network && spawnSync(command, args).status !== 0)
    return 'no network of its own: user namespaces are forbidden here'
  return false
}

/** What runs now. A test that is ended from outside takes it along. */
const live = new Set<number>()
process.once('exit', () => {
  for (const pid of live) signal(pid, 'SIGKILL')
})
process.once('SIGTERM', () => process.exit(1))

/** A program of the repository, run by this very Node. */
export function ours(file: string, ...args: string[]): string[] {
  return [process.execPath, '--import', 'tsx', join(root, file), ...args]
}

export interface Started {
  readonly pid: number
  /** What it said so far. */
  output(): string
  /** Asks it to end, and waits until it and everything it started has. Idempotent. */
  stop(): Promise<void>
}

/** Starts a program, in a network of its own, and waits until what it says contains `ready`. */
export async function start(
  line: readonly string[],
  ready: RegExp | (() => boolean),
  network = true,
): Promise<Started> {
  const [command = '', ...args] = network ? [...NETWORK, ...line] : line
  const child = spawn(command, args, { cwd: root, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let told = (): void => {}
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      told()
    })
  }
  const over = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const pid = child.pid ?? 0
  live.add(pid)
  const stop = async (): Promise<void> => {
    const force = setTimeout(() => signal(pid, 'SIGKILL'), PATIENCE_MS)
    signal(pid, 'SIGTERM')
    await over
    clearTimeout(force)
    signal(pid, 'SIGKILL')
    live.delete(pid)
  }
  const isReady = (): boolean => (typeof ready === 'function' ? ready() : ready.test(output))
  await new Promise<void>((resolve, reject) => {
    // What a program leaves in the file system is not told to anyone, so there it is looked for.
    const look = setInterval(() => told(), 20)
    const fail = (why: string): void => {
      clearInterval(look)
      clearTimeout(late)
      void stop().then(() => reject(new Error(`${line.join(' ')} ${why}:\n${output}`)))
    }
    const late = setTimeout(() => fail(`was not ready after ${PATIENCE_MS} ms`), PATIENCE_MS)
    child.once('error', () => fail('cannot be started'))
    void over.then(() => fail('ended'))
    told = () => {
      if (!isReady()) return
      clearInterval(look)
      clearTimeout(late)
      told = () => {}
      resolve()
    }
    told()
  })
  return { pid, output: () => output, stop }
}

/** Runs a program to its end, in the network of a started one where that is named, and gives all it said. */
export async function run(
  line: readonly string[],
  network?: Started,
): Promise<{ readonly status: number | null; readonly output: string }> {
  const enter =
    network === undefined
      ? []
      : ['nsenter', `--target=${network.pid}`, '--net', ...(asRoot ? [] : ['--user', '--preserve-credentials']), '--']
  const [command = '', ...args] = [...enter, ...line]
  const child = spawn(command, args, { cwd: root, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  }
  const pid = child.pid ?? 0
  live.add(pid)
  const late = setTimeout(() => signal(pid, 'SIGKILL'), PATIENCE_MS)
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  clearTimeout(late)
  live.delete(pid)
  return { status, output }
}

/** To a program and everything it started. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    if (pid > 0) process.kill(-pid, name)
  } catch {
    // They are gone.
  }
}

/** Runs tests of smbtorture against a server: which passed and which did not, by name. */
export async function smbtorture(
  binding: string,
  suite: string,
  network?: Started,
  options: readonly string[] = [],
): Promise<{ readonly passed: string[]; readonly others: string[]; readonly output: string }> {
  const line = ['smbtorture', '--configfile=/dev/null', '-U%', ...options, binding, suite]
  const { output } = await run(line, network)
  const named = (result: string): string[] =>
    [...output.matchAll(new RegExp(`^(?:${result}): (.+?)(?: \\[)?$`, 'gm'))].map((match) => match[1] ?? '')
  return { passed: named('success'), others: named('failure|error|skip'), output }
}

/** The one line of JSON that a program printed; fails with all it said when there is none. */
export function jsonLine(output: string): unknown {
  const line = output.split('\n').find((each) => each.startsWith('{'))
  assert.ok(line !== undefined, output)
  return JSON.parse(line)
}
