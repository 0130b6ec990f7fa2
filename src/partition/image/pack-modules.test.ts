import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { packModules } from './pack-modules.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'busbar-pack-'))
  await writeFile(join(directory, 'package.json'), '{ "type": "module" }')
})
afterEach(() => rm(directory, { recursive: true }))

/** As a compiler writes modules: each statement of one line, at its start. */
async function packed(modules: Readonly<Record<string, string>>, ...roots: string[]): Promise<string[]> {
  const files = packModules(new Map(Object.entries(modules)), roots, 'dist/packed.js')
  for (const [path, text] of [...Object.entries(modules), ...files]) {
    await mkdir(dirname(join(directory, path)), { recursive: true })
    await writeFile(join(directory, path), text)
  }
  return [...files.keys()].filter((path) => path !== 'dist/packed.js').toSorted()
}

async function load(path: string): Promise<Record<string, unknown>> {
  return (await import(pathToFileURL(join(directory, path)).href)) as Record<string, unknown>
}

describe('packed modules', () => {
  it('give what they gave, and are one instance whoever imports them by which path', async () => {
    assert.deepEqual(
      await packed(
        {
          'dist/door.js': [
            `export { Thing as Item, make, } from './a/thing.js';`,
            `export { count } from './a/count.js';`,
          ].join('\n'),
          'dist/a/thing.js': [
            `/** A comment with a tick \` and an`,
            `export const not = 'code';`,
            `*/`,
            `import net from 'node:net';`,
            `import * as paths from 'node:path';`,
            `import { isIP as isAddress } from 'node:net';`,
            `import { count as counted } from './count.js';`,
            `export class Thing {`,
            `    address = isAddress('127.0.0.1');`,
            `}`,
            `const made = { same: net.isIP === isAddress, joined: paths.posix.join('a', 'b') };`,
            `export async function make() {`,
            `    return { ...made, count: await counted() };`,
            `}`,
            `export function* names() { }`,
            `export {};`,
          ].join('\n'),
          'dist/a/count.js': [`let calls = 0;`, `export const count = () => ++calls;`].join('\n'),
        },
        'dist/door.js',
      ),
      ['dist/a/count.js', 'dist/a/thing.js', 'dist/door.js'],
    )
    const door = await load('dist/door.js')
    const thing = await load('dist/a/thing.js')
    const count = await load('dist/a/count.js')
    assert.deepEqual(Object.keys(thing).toSorted(), ['Thing', 'make', 'names'])
    assert.deepEqual(Object.keys(door).toSorted(), ['Item', 'count', 'make'])
    assert.equal(door['Item'], thing['Thing'])
    assert.equal((count['count'] as () => number)(), 1)
    assert.deepEqual(await (door['make'] as () => Promise<unknown>)(), { same: true, joined: 'a/b', count: 2 })
    assert.equal(new (thing['Thing'] as new () => { address: number })().address, 4)
  })

  it('are evaluated when they are first asked for', async () => {
    await packed(
      {
        'dist/one.js': `export const one = 1;`,
        'dist/two.js': [`throw new Error('evaluated');`, `export const two = 2;`].join('\n'),
      },
      'dist/one.js',
      'dist/two.js',
    )
    assert.equal((await load('dist/one.js'))['one'], 1)
    await assert.rejects(load('dist/two.js'), /evaluated/)
  })

  it('do not include what would mean something else, nor what imports it', async () => {
    const refused = {
      address: `export const url = import.meta.url;`,
      wait: `export const late = await 1;`,
      foreign: `export { parse } from 'yaml';`,
      path: `export const later = () => import('./wait.js');`,
      variable: 'export let count = 0;',
      standard: `export default 1;`,
      all: `export * from './fine.js';`,
      text: ['export const script = `', 'export PATH=/bin', 'export const not = "code";', '`;'].join('\n'),
      round: [`import { later } from './back.js';`, `export const first = () => later();`].join('\n'),
      back: [`import { first } from './round.js';`, `export const later = () => first;`].join('\n'),
      missing: `import { none } from './none.js';`,
    }
    const modules: Record<string, string> = { 'dist/fine.js': 'export const fine = 1;' }
    for (const [name, text] of Object.entries(refused)) {
      modules[`dist/${name}.js`] = text
      modules[`dist/of-${name}.js`] = [`import './${name}.js';`, `import { fine } from './fine.js';`].join('\n')
      modules[`dist/by-${name}.js`] = [`import * as it from './${name}.js';`, `import { fine } from './fine.js';`].join(
        '\n',
      )
    }
    assert.deepEqual(await packed(modules, ...Object.keys(modules)), ['dist/fine.js'])
    assert.equal((await load('dist/text.js'))['script'], '\nexport PATH=/bin\nexport const not = "code";\n')
  })
})
