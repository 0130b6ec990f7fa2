/** The README tells the truth: every code block in it is run, and prints what it says. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkRequirements } from '../src/partition/index.ts'
import { parseBusConfig } from '../src/policy/index.ts'
import { installed } from './built-bus.ts'

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
  const named = blocks.flatMap(({ file, text }) => (file === undefined ? [] : [[file, text]]))
  directory = await installed('readme', Object.fromEntries(named) as Record<string, string>)
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

/** Runs a program to its end, and gives all that it said. */
async function run(
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<{ status: number | null; output: string }> {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  await once(child, 'close')
  return { status: child.exitCode, output }
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

test('every JavaScript block is right by the types of the package', { timeout: 120_000 }, async () => {
  const compilerOptions = {
    ...{
      allowJs: true,
      checkJs: true,
      strict: true,
      noImplicitAny: false,
      noEmit: true,
      target: 'ES2022',
      module: 'NodeNext',
    },
    ...{ types: ['node'], typeRoots: [join(root, 'node_modules/@types')], skipLibCheck: true },
  }
  const files = blocks.flatMap(({ language, file }) => (language === 'js' && file !== undefined ? [file] : []))
  assert.ok(files.length >= 4)
  const check = async (...more: string[]): Promise<{ status: number | null; output: string }> => {
    await writeFile(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [...files, ...more] }))
    return run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', directory], directory)
  }
  const { status, output } = await check()
  assert.equal(status, 0, output)
  // A wrong name of a method is an error, so the types are there.
  await writeFile(join(directory, 'wrong.mjs'), "import { attach } from 'busbar'\nawait (await attach()).ofer('x')\n")
  assert.match((await check('wrong.mjs')).output, /wrong\.mjs.*'ofer' does not exist/)
})

test('what is installed from a tarball of the package works, with nothing but its dependency', {
  timeout: 300_000,
}, async () => {
  const folder = join(directory, 'installed')
  await mkdir(folder)
  const npm = async (...args: string[]): Promise<string> => {
    const { status, output } = await run('npm', [...args, '--offline', '--ignore-scripts', '--no-audit'], folder)
    assert.equal(status, 0, output)
    return output
  }
  // No registry is asked: its one dependency that is not optional comes as it is installed here.
  await npm('pack', root, join(root, 'node_modules/yaml'), '--silent')
  const tarballs = (await readdir(folder)).filter((name) => name.endsWith('.tgz')).map((name) => `./${name}`)
  assert.equal(tarballs.length, 2)
  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
  await npm('install', ...tarballs, '--omit=optional')
  const help = await run('npx', ['--offline', '--no-install', 'busbar', '--help'], folder)
  assert.equal(help.status, 0, help.output)
  assert.match(help.output, /busbar up/)
  const program = "import { attach, contract } from 'busbar'; console.log(typeof attach, typeof contract)"
  const imported = await run(process.execPath, ['--input-type=module', '--eval', program], folder)
  assert.equal(imported.output, 'function function\n')
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
