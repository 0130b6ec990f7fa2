import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { BusbarError } from '../../errors/index.ts'
import { DiskFileStore } from './disk-file-store.ts'

let outer: string
let store: DiskFileStore

before(async () => {
  outer = await mkdtemp(join(tmpdir(), 'busbar-files-'))
  const root = join(outer, 'shared')
  await mkdir(join(root, 'folder'), { recursive: true })
  await mkdir(join(outer, 'shared-not'))
  await writeFile(join(root, 'a.txt'), 'hello')
  await writeFile(join(root, 'folder', 'b.txt'), 'x'.repeat(600_000))
  await writeFile(join(outer, 'secret'), 'secret')
  await writeFile(join(outer, 'shared-not', 'secret'), 'secret')
  await symlink(join(outer, 'secret'), join(root, 'link'))
  await symlink(outer, join(root, 'way-out'))
  await symlink(join(outer, 'shared-not'), join(root, 'folder', 'sideways'))
  execFileSync('mkfifo', [join(root, 'fifo')])
  store = new DiskFileStore(root)
})
after(() => rm(outer, { recursive: true, force: true }))

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

test('lists files and directories, and neither links nor devices', async () => {
  const entries = await collect(store.list({ path: '/' }))
  assert.deepEqual(
    entries.map(({ name, kind }) => [name, kind]),
    [
      ['a.txt', 'file'],
      ['folder', 'directory'],
    ],
  )
  assert.equal(entries[0]?.size, 5)
})

test('reads pieces and everything', async () => {
  const file = await store.open({ path: '/folder//./b.txt' })
  assert.equal((await file.read({ offset: 599_990, length: 100 })).length, 10)
  assert.equal((await file.read({ offset: 700_000, length: 100 })).length, 0)
  assert.ok((await file.read({ offset: 0, length: 0xffff_ffff })).length <= 1_048_576)
  const chunks = await collect(file.content({ offset: 1 }))
  assert.equal(
    chunks.reduce((sum, { length }) => sum + length, 0),
    599_999,
  )
  assert.equal((await file.stat()).name, 'b.txt')
  await file[Symbol.asyncDispose]()
})

test('leaving the content early leaves nothing open that the release does not close', async () => {
  const file = await store.open({ path: '/folder/b.txt' })
  for await (const chunk of file.content({ offset: 0 })) {
    assert.ok(chunk.length > 0)
    break
  }
  await file[Symbol.asyncDispose]()
})

test('no path leads out of what is shared', async () => {
  const paths = [
    '/../secret',
    '/folder/../../secret',
    '/link',
    '/way-out/secret',
    '/folder/sideways/secret',
    'a.txt',
    '',
    '/a\0',
    '/fifo',
    `/${'x/'.repeat(3000)}`,
  ]
  for (const path of paths) {
    for (const attempt of [
      () => store.open({ path }),
      () => store.stat({ path }),
      () => collect(store.list({ path })),
    ]) {
      await assert.rejects(attempt, (error: NodeJS.ErrnoException) => {
        assert.ok(!error.message.includes('secret contents'))
        return error instanceof BusbarError || ['ELOOP', 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(error.code ?? '')
      })
    }
  }
})

test('what is no regular file is not opened', async () => {
  await assert.rejects(store.open({ path: '/folder' }), { code: 'INVALID_ARGUMENT' })
  await assert.rejects(store.open({ path: '/missing' }), { code: 'ENOENT' })
})
