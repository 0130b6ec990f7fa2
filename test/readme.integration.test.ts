/** The README tells the truth: every code block in it is run, and prints what it says. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkRequirements } from '../src/partition/index.ts'
import { parseBusConfig } from '../src/policy/index.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const readme = await readFile(join(root, 'README.md'), 'utf8')

interface Block {
  readonly language: string
  readonly text: string
  /** Named in its first line: `// hello.mjs`, `# hello.yaml`. */
  readonly file: string | undefined
}

const blocks: readonly Block[] = [...readme.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(
  ([, language = '', text = '']) => ({
    language,
    text,
    file: /^(?:\/\/|#) (\S+\.\w+)\n/.exec(text)?.[1],
  }),
)

let directory: string

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'busbar-readme-'))
  for (const { file, text } of blocks) if (file !== undefined) await writeFile(join(directory, file), text)
  // As `npm install busbar` would leave it.
  await mkdir(join(directory, 'node_modules'))
  await symlink(root, join(directory, 'node_modules/busbar'))
})
after(() => rm(directory, { recursive: true, force: true }))

/** Runs `busbar up` until all lines have been printed in order, then stops it as a person would. */
async function upPrints(config: string, lines: readonly string[]): Promise<void> {
  const main = join(root, 'dist/cli/main.js')
  const child = spawn(process.execPath, [main, 'up', config, '--socket', join(directory, 'bus.sock')], {
    cwd: directory,
    env: { ...process.env, XDG_RUNTIME_DIR: directory },
  })
  let output = ''
  const printed = new Promise<void>((resolve, reject) => {
    const look = (text: string): void => {
      output += text
      let at = 0
      const found = lines.every((line) => {
        at = output.indexOf(`${line}\n`, at)
        return at >= 0
      })
      if (found) resolve()
    }
    child.stdout.setEncoding('utf8').on('data', look)
    child.stderr.setEncoding('utf8').on('data', look)
    child.once('exit', () => reject(new Error(`ended before it had printed ${lines.join(' / ')}:\n${output}`)))
  })
  try {
    await printed
  } finally {
    await interrupt(child)
  }
  assert.equal(child.exitCode, 0, output)
  await assert.rejects(stat(join(directory, 'bus.sock')), 'the socket is gone')
}

async function interrupt(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGINT')
  await once(child, 'exit')
}

const transcripts = blocks.filter(({ language, text }) => language === 'text' && text.startsWith('$ '))

for (const { text } of transcripts) {
  const [command = '', ...lines] = text.trimEnd().split('\n')
  test(command, { timeout: 120_000 }, async () => {
    const config = /^\$ busbar up (\S+)$/.exec(command)?.[1]
    assert.ok(config !== undefined, `do not know how to run ${command}`)
    await upPrints(config, lines)
  })
}

test('there are programs with their output in it', () => {
  assert.ok(transcripts.length >= 2)
})

test('every JavaScript block is a file that a transcript runs', () => {
  const run = transcripts.map(({ text }) => /^\$ busbar up (\S+)/.exec(text)?.[1])
  const configs = blocks.filter(({ file }) => run.includes(file)).map(({ text }) => text)
  const programs = blocks.filter(({ language }) => language === 'js')
  for (const { file, text } of programs) {
    assert.ok(file !== undefined, `a block without a file name:\n${text}`)
    const imported = programs.some((other) => other.text.includes(`'./${file}'`))
    assert.ok(imported || configs.some((config) => config.includes(file)), `${file} is not run`)
  }
})

test('its line of requirements names every program that virtual machines need', async () => {
  const [line = ''] = /^Requirements: .*$/m.exec(readme) ?? []
  for (const { name } of await checkRequirements())
    assert.ok(line.includes(`\`${name}\``), `${name} is not in: ${line}`)
})

test('every configuration in it is valid', () => {
  const configs = blocks.filter(({ language }) => language === 'yaml')
  assert.ok(configs.length >= 3)
  for (const { text, file = 'README.md' } of configs) assert.ok(parseBusConfig(text, file).partitions.size > 0)
})

test('the QEMU options in it make the port that the agent looks for', { timeout: 60_000 }, async (context) => {
  const block = blocks.find(({ language, text }) => language === 'sh' && text.startsWith('qemu-system'))
  const options = block?.text.replaceAll('\\\n', ' ').trim().split(/\s+/).slice(1) ?? []
  const socket = join(directory, 'my-vm', 'bus.sock')
  await mkdir(dirname(socket))
  const args = options.flatMap((option) => {
    if (option === '...') return ['-nodefaults', '-display', 'none', '-S']
    return [option.replace('/run/my-vm/bus.sock', socket)]
  })
  const qemu = spawn('qemu-system-x86_64', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const failed = await Promise.race([
    once(qemu, 'spawn').then(() => undefined),
    once(qemu, 'error').then(([e]) => e as Error),
  ])
  if (failed !== undefined) {
    assert.equal(process.env['CI'], undefined, 'QEMU must be there in CI')
    return context.skip('qemu-system-x86_64 is not installed')
  }
  try {
    let ended: string | undefined
    let said = ''
    qemu.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    qemu.once('exit', () => {
      ended = said
    })
    while ((await stat(socket).catch(() => undefined)) === undefined) assert.equal(ended, undefined)
  } finally {
    qemu.kill('SIGKILL')
  }
  assert.ok(args.includes('virtserialport,chardev=bus,name=org.busbar.0'))
})

test('the commands it names exist', async () => {
  const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  const named = [...readme.matchAll(/npm (?:run )?(demo|test|bench|ok)/g)].map(([, name = '']) => name)
  for (const name of new Set(named)) assert.ok(name in scripts, `npm run ${name}`)
  for (const [, link = ''] of readme.matchAll(/\]\((?!http)([^)#]+)/g)) {
    await assert.doesNotReject(stat(join(root, link)), `the link to ${link}`)
  }
})
