/** The page of what users of neighbouring systems ask names tests: they exist. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

const root = new URL('../', import.meta.url)

/** The tests that each row names. */
function rows(): { asked: string; shown: { file: string; name: string }[] }[] {
  const page = readFileSync(new URL('docs/asked.md', root), 'utf8')
  const lines = page.split('\n').filter((line) => line.startsWith('| '))
  return lines.slice(2).map((line) => {
    const [asked = '', , shown = ''] = line.slice(2, -2).split(' | ')
    const named = shown.split('<br>').map((each) => /^`([^`]+)`(?:: (.+))?$/.exec(each) ?? assert.fail(each))
    return { asked, shown: named.map(([, file = '', name = '']) => ({ file, name })) }
  })
}

/** Names of the tests of a file, as they are written there. */
function namesIn(file: string): Set<string> {
  const source = readFileSync(new URL(file, root), 'utf8')
  return new Set([...source.matchAll(/\btest\(\s*(['"`])(.*?)\1[,)]/g)].map(([, , name = '']) => name))
}

test('each row names tests, and each of those exists', () => {
  const all = rows()
  assert.equal(all.length, 15)
  for (const { asked, shown } of all) {
    for (const { file, name } of shown) {
      if (file.startsWith('bench/')) assert.ok(existsSync(new URL(file, root)), file)
      else assert.ok(namesIn(file).has(name), `${asked}: ${file} has no test "${name}"`)
    }
  }
})
