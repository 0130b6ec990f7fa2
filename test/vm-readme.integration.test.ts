/** What the README says of its first program: that it is the same one in two virtual machines, and where to read what it prints there. */
import assert from 'node:assert/strict'
import { mkdir, readFile, rm, watch } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { checkRequirements, installCommand } from '../src/partition/index.ts'
import { installed, PROGRAM, ROOT } from './built-bus.ts'
import { RunningProgram } from './running-program.ts'

/** Longest that anything may take, `ms`: machines are emulated, and their image may have to be built. */
const LONG = 600_000

/** The part of a text that stands in the parentheses of a pattern. */
function part(text: string, pattern: RegExp): string {
  const [, found] = pattern.exec(text) ?? []
  return found ?? assert.fail(`the README has no ${String(pattern)}`)
}

/** Settles when a file, in a folder that is there, has such a line. */
async function written(path: string, line: string, signal: AbortSignal): Promise<void> {
  for await (const _change of watch(dirname(path), { signal })) {
    const text = await readFile(path, 'utf8').catch(() => '')
    if (text.split(/\r?\n/).includes(line)) return
  }
}

test('the first program of the README runs in two virtual machines as it says', { timeout: LONG }, async (context) => {
  const missing = installCommand(await checkRequirements())
  if (missing !== undefined) {
    assert.equal(process.env['CI'], undefined, `QEMU must be there in CI: ${missing}`)
    return context.skip(`virtual machines cannot be started here: ${missing}`)
  }
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8')
  const program = part(readme, /^```js\n(\/\/ hello\.mjs\n.*?)^```$/ms)
  const config = part(readme, /^```yaml\n(# hello\.yaml\n.*?)^```$/ms)
  const said = part(readme, /^\$ busbar up hello\.yaml\nweb \| (.*)$/m)
  const [, kind = '', instead = '', files = '', path = ''] =
    /^Say `(kind: \w+)` instead of `(\w+)`, add `(files: .*?)`, run `(.*?)`, and the same program runs in two VMs\.$/m.exec(
      readme,
    ) ?? []
  const inMachines = config.replaceAll(
    `kind: ${instead}, run: [node, hello.mjs]`,
    `${kind}, ${files}, run: [node, ${path}]`,
  )
  assert.equal(inMachines.split('kind: qemu').length, 3, inMachines)
  const log = part(readme, /is in its console, `\$XDG_RUNTIME_DIR\/(.*?\.log)`/)

  const directory = await installed('readme', { 'hello.mjs': program, 'hello.yaml': inMachines })
  const over = new AbortController()
  try {
    await mkdir(dirname(join(directory, log)), { recursive: true, mode: 0o700 })
    const seen = written(join(directory, log), said, over.signal)
    const env = { XDG_RUNTIME_DIR: directory }
    const args = ['up', 'hello.yaml', '--socket', join(directory, 'bus.sock')]
    await using bus = new RunningProgram(PROGRAM, args, { cwd: directory, env })
    const ended = bus.ended().then((status) => assert.fail(`ended with ${status}: ${bus.out}${bus.err}`))
    await Promise.race([seen, ended])
    assert.equal(await bus.interrupted(), 0, bus.err)
  } finally {
    over.abort()
    await rm(directory, { recursive: true, force: true })
  }
})
