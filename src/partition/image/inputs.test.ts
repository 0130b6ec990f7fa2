import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { BusbarError } from '../../errors/index.ts'
import { isStatic } from './busybox.ts'
import { fillOnce } from './cache.ts'
import { parseLdd } from './node-runtime.ts'
import { packageFiles } from './package-files.ts'
import { pruneCache } from './prune.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'busbar-test-'))
})

afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

async function put(path: string, text = ''): Promise<void> {
  await mkdir(dirname(join(directory, path)), { recursive: true })
  await writeFile(join(directory, path), text)
}

describe('the libraries of Node', () => {
  it('are what ldd names, without the kernel own', () => {
    const output = [
      '\tlinux-vdso.so.1 (0x00007ffd)',
      '\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f)',
      '\t/lib64/ld-linux-x86-64.so.2 (0x00007f)',
      '',
    ].join('\n')
    assert.deepEqual(parseLdd(output), ['/lib/x86_64-linux-gnu/libm.so.6', '/lib64/ld-linux-x86-64.so.2'])
    assert.deepEqual(parseLdd('\tnot a dynamic executable\n'), [])
  })

  it('must all be there', () => {
    assert.throws(
      () => parseLdd('\tlibx.so.1 => not found\n'),
      (error: unknown) =>
        error instanceof BusbarError && error.code === 'IMAGE_FAILED' && error.message.includes('libx.so.1'),
    )
  })
})

describe('a static program', () => {
  it('has no program header that names a loader', () => {
    const elf = Buffer.alloc(64 + 2 * 56)
    elf.writeUInt32BE(0x7f454c46, 0)
    elf.writeUInt8(2, 4)
    elf.writeBigUInt64LE(64n, 0x20)
    elf.writeUInt16LE(56, 0x36)
    elf.writeUInt16LE(2, 0x38)
    elf.writeUInt32LE(1, 64)
    elf.writeUInt32LE(1, 64 + 56)
    assert.equal(isStatic(elf), true)
    elf.writeUInt32LE(3, 64 + 56)
    assert.equal(isStatic(elf), false)
    assert.equal(isStatic(Buffer.from('#!/bin/sh')), false)
  })
})

describe('the files of the package', () => {
  it('are the manifest, dist and the installed dependencies', async () => {
    await put('p/package.json', '{"dependencies":{"a":"1"},"optionalDependencies":{"absent":"1","@s/b":"1"}}')
    await put('p/dist/index.js')
    await put('p/dist/index.d.ts')
    await put('p/dist/.tsbuildinfo')
    await put('p/src/index.ts')
    // Hoisted, as npm does it.
    await put('node_modules/a/package.json', '{"dependencies":{"c":"1"}}')
    await put('node_modules/c/package.json', '{}')
    await put('node_modules/c/c.js')
    await put('p/node_modules/@s/b/package.json', '{"dependencies":{"a":"1"}}')
    const files = await packageFiles(join(directory, 'p'))
    assert.deepEqual(
      files.map(({ to }) => to),
      [
        'dist/index.js',
        'node_modules/@s/b/package.json',
        'node_modules/a/package.json',
        'node_modules/c/c.js',
        'node_modules/c/package.json',
        'package.json',
      ],
    )
  })

  it('are refused when the package is not built or not installed', async () => {
    const refused = async (): Promise<string> => {
      const error = await packageFiles(join(directory, 'p')).catch((thrown: unknown) => thrown)
      assert.ok(error instanceof BusbarError && error.code === 'IMAGE_FAILED')
      return error.message
    }
    assert.match(await refused(), /package\.json/)
    await put('p/package.json', '{"dependencies":{"missing":"1"}}')
    assert.match(await refused(), /dist/)
    await put('p/dist/index.js')
    assert.match(await refused(), /missing/)
  })
})

describe('a directory of the cache', () => {
  it('appears whole or not at all', async () => {
    const target = join(directory, 'cache', 'entry')
    await assert.rejects(
      fillOnce(target, async (temporary) => {
        await writeFile(join(temporary, 'half'), '')
        throw new Error('disk full')
      }),
      (error: unknown) => error instanceof BusbarError && error.code === 'IMAGE_FAILED',
    )
    assert.deepEqual(await readdir(dirname(target)), [])
  })

  it('is the first one that is finished when several are made at once', async () => {
    const target = join(directory, 'entry')
    let others: () => void = () => undefined
    const firstIsThere = new Promise<void>((resolve) => (others = resolve))
    const first = fillOnce(target, (temporary) => writeFile(join(temporary, 'who'), 'first'))
    const second = fillOnce(target, async (temporary) => {
      await firstIsThere
      await writeFile(join(temporary, 'who'), 'second')
    })
    await first
    others()
    await second
    assert.equal(await readFile(join(target, 'who'), 'utf8'), 'first')
    assert.deepEqual(await readdir(directory), ['entry'])
  })
})

describe('clearing the cache', () => {
  it('removes what is old and ours, and nothing else', async () => {
    const image = (digit: string): string => digit.repeat(24)
    const names = [
      image('a'),
      image('b'),
      `${image('c')}.part-AbC123`,
      `${image('d')}.part-AbC123`,
      'kernels/k.part-AbC123',
      'kernels/k.1',
      'notes',
    ]
    const day = 24 * 60 * 60 * 1000
    const now = Date.parse('2026-06-01T00:00:00Z')
    const age = async (name: string, days: number): Promise<void> => {
      const at = new Date(now - days * day)
      await utimes(join(directory, name), at, at)
    }
    for (const name of names) await mkdir(join(directory, name), { recursive: true })
    const ages = [31, 29, 2, 0.5, 2, 400, 400]
    for (const [index, name] of names.entries()) await age(name, ages[index] ?? 0)
    await pruneCache(directory, now)
    const left = [...(await readdir(directory)), ...(await readdir(join(directory, 'kernels')))]
    assert.deepEqual(new Set(left), new Set([image('b'), `${image('d')}.part-AbC123`, 'k.1', 'kernels', 'notes']))
    await pruneCache(join(directory, 'absent'), now)
  })
})
