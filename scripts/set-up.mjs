#!/usr/bin/env node
// Makes a fresh clone ready: npm packages when missing or stale, a build of `dist`, and on request the Debian packages
// that real VMs and the foreign judges of the tests need. Plain JavaScript, because nothing is installed yet.
//
//   node scripts/set-up.mjs [--vm] [--judges] [--required] [--no-build]
//
// --vm        QEMU, busybox and e2fsprogs, for real virtual machines
// --judges    the programs of other people that judge our protocols in the tests (tshark, Samba, impacket)
// --required  what --vm and --judges ask for must be there at the end; without it a missing program is one printed line
// --no-build  leave `dist` alone
//
// Prints nothing when there is nothing to do. Exit status 0 when ready, 1 when not.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** What is silent for this many milliseconds says what it is waiting for (our choice: a second feels like a hang). */
const SAY_AFTER_MS = 1_000
/** And says it again at this interval in milliseconds where there is no terminal to repaint (our choice). */
const SAY_AGAIN_MS = 15_000

/** The Debian packages behind each request, each with the program, or the path of the file, that proves it is installed. */
const PROGRAMS = {
  '--vm': [
    { program: 'qemu-system-x86_64', debian: 'qemu-system-x86', purpose: 'real virtual machines' },
    { program: 'busybox', debian: 'busybox-static', purpose: 'the guest image' },
    { program: 'mkfs.ext4', debian: 'e2fsprogs', purpose: 'guest disks' },
  ],
  '--judges': [
    { program: 'tshark', debian: 'tshark', purpose: 'judging the wire format in the tests' },
    { program: 'x86_64-w64-mingw32-widl', debian: 'mingw-w64-tools', purpose: 'judging the MIDL in the tests' },
    { program: '/usr/libexec/samba/rpcd_classic', debian: 'samba', purpose: 'a server for our RPC client' },
    { program: 'smbtorture', debian: 'samba-testsuite', purpose: 'judging our RPC server' },
    {
      program: '/usr/lib/python3/dist-packages/samba/ndr.py',
      debian: 'python3-samba',
      purpose: 'judging the RPC protocol',
    },
    {
      program: '/usr/lib/python3/dist-packages/impacket/version.py',
      debian: 'python3-impacket',
      purpose: 'a client in Python',
    },
  ],
}

/** Runs a command quietly; its output is shown only when it fails. Resolves to whether it succeeded. */
function run(what, command, args, options = {}) {
  return new Promise((resolve) => {
    const started = Date.now()
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options })
    const output = []
    child.stdout.on('data', (chunk) => output.push(chunk))
    child.stderr.on('data', (chunk) => output.push(chunk))
    const say = () => {
      const seconds = Math.round((Date.now() - started) / 1000)
      const line = `set-up: ${what} (${seconds} s)`
      process.stderr.write(process.stderr.isTTY ? `\r${line}` : `${line}\n`)
      timer = setTimeout(say, process.stderr.isTTY ? 1_000 : SAY_AGAIN_MS)
    }
    let timer = setTimeout(say, SAY_AFTER_MS)
    let settled = false
    const finish = (succeeded, detail) => {
      if (settled) return
      settled = true
      clearTimeout(timer)
      if (process.stderr.isTTY && Date.now() - started > SAY_AFTER_MS) process.stderr.write('\n')
      if (!succeeded && !options.expectFailure) {
        process.stderr.write(`set-up: ${what}: failed: ${detail}\n${Buffer.concat(output).toString()}\n`)
      }
      resolve(succeeded)
    }
    child.on('error', (error) => finish(false, error.message))
    child.on('close', (status, signal) => finish(status === 0, signal ?? `exit status ${status}`))
  })
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(join(root, path), 'utf8'))
  } catch {
    return undefined
  }
}

/** Whether node_modules holds what package-lock.json names; packages for other platforms may be absent. */
function npmPackagesFit() {
  const wanted = readJson('package-lock.json')?.packages
  const installed = readJson('node_modules/.package-lock.json')?.packages
  if (wanted === undefined || installed === undefined) return false
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true
    const found = installed[path]
    return found === undefined ? entry.optional === true : found.version === entry.version
  })
}

async function installNpmPackages() {
  if (npmPackagesFit()) return true
  // Not `npm ci`: it refuses a lock file that lacks the optional packages of other platforms, which is how npm writes one
  // where a registry does not serve them. This installs the locked versions as well, and leaves the lock file alone.
  const args = ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']
  return run('installing npm packages', process.platform === 'win32' ? 'npm.cmd' : 'npm', args, {
    shell: process.platform === 'win32',
  })
}

/** Incremental: well under a second when `dist` is fresh. */
async function build() {
  return run('building dist', process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b', 'src'])
}

function isInstalled(program) {
  if (program.startsWith('/')) return existsSync(program)
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.some((folder) => folder !== '' && existsSync(join(folder, program)))
}

/** What Debian's package scripts ask before they start a service. */
const SERVICE_POLICY = '/usr/sbin/policy-rc.d'

/** Runs something while no service may start by itself: the judges are programs for the tests, not servers of this computer. */
async function withoutServices(what) {
  if (existsSync(SERVICE_POLICY)) return what()
  writeFileSync(SERVICE_POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    return await what()
  } finally {
    rmSync(SERVICE_POLICY, { force: true })
  }
}

/** Whether every program asked for is there at the end. */
async function installDebianPackages(requests) {
  const wanted = requests.flatMap((request) => PROGRAMS[request])
  const missing = () => wanted.filter(({ program }) => !isInstalled(program))
  if (missing().length === 0) return true
  const names = missing().map(({ debian }) => debian)
  const line = `apt-get install --no-install-recommends ${names.join(' ')}`
  const purposes = missing().map(({ debian, purpose }) => `${debian} (${purpose})`)
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version') || !isInstalled('apt-get')) {
    const how = existsSync('/etc/debian_version') ? `: sudo ${line}` : ', as your system names them'
    process.stderr.write(`set-up: not installed: ${purposes.join(', ')}. Install${how}\n`)
    return false
  }
  process.stderr.write(`set-up: ${line}\n`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const install = (expectFailure) =>
    run(
      `installing Debian packages ${names.join(' ')}`,
      'apt-get',
      ['install', '-y', '-q', '--no-install-recommends', ...names],
      { env, expectFailure },
    )
  // The package lists of a fresh machine may be missing or old: first try as it is, then with new lists.
  await withoutServices(async () => {
    if (await install(true)) return
    await run('updating the Debian package lists', 'apt-get', ['update', '-q'], { env })
    await install(false)
  })
  return missing().length === 0
}

const asked = process.argv.slice(2)
const unknown = asked.filter((flag) => !['--vm', '--judges', '--required', '--no-build'].includes(flag))
if (unknown.length > 0) {
  process.stderr.write(`set-up: unknown option ${unknown.join(' ')}\n`)
  process.exit(2)
}
const programs = asked.filter((flag) => flag in PROGRAMS)
const ready =
  (await installNpmPackages()) &&
  (asked.includes('--no-build') || (await build())) &&
  ((await installDebianPackages(programs)) || !asked.includes('--required'))
process.exitCode = ready ? 0 : 1
