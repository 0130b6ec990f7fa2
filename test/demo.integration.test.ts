/** `npm run demo` holds, on processes and on real virtual machines. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkRequirements, installCommand } from '../src/partition/index.ts'

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))

async function runDemo(...args: string[]): Promise<{ status: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [main, 'demo', ...args])
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  const [status] = (await once(child, 'close')) as [number | null]
  return { status, out, err }
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
  return (await readdir(tmpdir())).filter((name) => name.startsWith('busbar-demo-')).sort()
}

test('the demo on processes', { timeout: 120_000 }, async () => {
  const before = await leftovers()
  const { status, out, err } = await runDemo('--kind', 'process')
  assert.equal(status, 0, err)
  for (const line of SHOWN) assert.match(out, line)
  assert.match(err, /without isolation/)
  assert.deepEqual(await leftovers(), before)
})

test('the demo on virtual machines', { timeout: 300_000 }, async (context) => {
  const missing = installCommand(await checkRequirements())
  if (missing !== undefined) {
    assert.equal(process.env['CI'], undefined, `QEMU must be there in CI: ${missing}`)
    return context.skip(`virtual machines cannot be started here: ${missing}`)
  }
  const before = await leftovers()
  const { status, out, err } = await runDemo('--kind', 'qemu')
  assert.equal(status, 0, `${out}\n${err}`)
  for (const line of SHOWN) assert.match(out, line)
  assert.match(out, /boot two virtual machines: storage \(epoch 1\), web \(epoch 1\)/)
  assert.match(err, /storage: QEMU with (TCG|KVM)/)
  assert.deepEqual(await leftovers(), before)
})

test('a wrong kind is a mistake with a hint', async () => {
  const { status, err } = await runDemo('--kind', 'cloud')
  assert.equal(status, 1)
  assert.match(err, /--kind is qemu or process, found "cloud"/)
})
