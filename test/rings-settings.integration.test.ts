/** How rings are turned off and limited: by the environment of the bus, by that of a partition, and by a program. */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { attach } from '../src/agent/index.ts'
import { BuiltBus } from './built-bus.ts'

/** Tells what its rings keep to. */
const SHOWING = (options: string): string => `
import { attach } from 'busbar'
const bus = await attach({ ${options} })
const { rings } = bus.inspect().endpoint
console.log('rings ' + (rings ? rings.window + ' ' + Object.entries(rings.limits).join(' ') : 'none'))
await bus.closed
`
const CONFIG = `
partitions:
  plain: { kind: process, run: [node, plain.mjs] }
  doorbell: { kind: process, run: [node, plain.mjs], env: { BUSBAR_POLL: '0' } }
  longer: { kind: process, run: [node, plain.mjs], env: { BUSBAR_POLL: '2.5' } }
  without: { kind: process, run: [node, plain.mjs], env: { BUSBAR_RINGS: 'off' } }
  limited: { kind: process, run: [node, limited.mjs], env: { BUSBAR_POLL: '2.5' } }
  refusing: { kind: process, run: [node, refusing.mjs] }
`
const FILES = {
  'plain.mjs': SHOWING(''),
  'limited.mjs': SHOWING('rings: { window: 7, spin: 0, unread: 4096, turn: 8192 }'),
  'refusing.mjs': SHOWING('rings: false'),
}

async function bus(t: { after(run: () => Promise<void>): void }, config: string = CONFIG): Promise<BuiltBus> {
  const made = await BuiltBus.make('settings', { ...FILES, 'busbar.yaml': config })
  t.after(() => made.remove())
  return made
}

describe('rings as they are set', { timeout: 120_000 }, () => {
  test('by the environment of a partition and by its program, which comes first', async (t) => {
    const made = await bus(t)
    made.up()
    const shown = async (partition: string): Promise<string | undefined> => {
      return (await made.printed(new RegExp(`"partition":"${partition}","line":"rings ([^"]*)"`)))[1]
    }
    assert.equal(await shown('plain'), '0.1 ')
    assert.equal(await shown('doorbell'), '0 window,0')
    assert.equal(await shown('longer'), '2.5 window,2.5')
    assert.equal(await shown('limited'), '7 window,7 spin,0 unread,4096 turn,8192')
    assert.equal(await shown('without'), 'none')
    assert.equal(await shown('refusing'), 'none')
  })

  test('off for all by the environment of the bus', async (t) => {
    const made = await bus(t)
    made.upWith({ BUSBAR_RINGS: 'off' })
    assert.equal((await made.printed(/"plain","line":"rings ([^"]*)"/))[1], 'none')
  })

  for (const [variable, text] of [
    ['BUSBAR_RINGS', 'yes'],
    ['BUSBAR_POLL', 'x'],
    ['BUSBAR_POLL', ''],
    ['BUSBAR_POLL', '-1'],
    ['BUSBAR_POLL', '1e3'],
    ['BUSBAR_POLL', '1001'],
  ] as const) {
    test(`a bus with ${variable}="${text}" does not start, nor one with such a partition`, async (t) => {
      const made = await bus(t)
      made.upWith({ [variable]: text })
      await made.printed(new RegExp(`"INVALID_ARGUMENT","message":"${variable} is `))
      assert.equal(await made.down(), 1)
      const config = `partitions: { it: { kind: process, run: [node, plain.mjs], env: { ${variable}: '${text}' } } }\n`
      const other = await bus(t, config)
      other.up()
      await other.printed(new RegExp(`"INVALID_ARGUMENT","message":"${variable} of .{0,2}"it.{0,2}" is `))
      assert.equal(await other.down(), 1)
    })
  }
})

describe('a program that attaches', () => {
  afterEach(() => {
    delete process.env['BUSBAR_RINGS']
    delete process.env['BUSBAR_POLL']
  })

  const wrong: readonly [string, Readonly<Record<string, string>>, Parameters<typeof attach>[0]][] = [
    ['a word that is none', { BUSBAR_RINGS: 'ON' }, {}],
    ['a window that is none', { BUSBAR_POLL: 'x' }, {}],
    ['a window that is too long', { BUSBAR_POLL: '1000.5' }, {}],
    ['no number', {}, { rings: { window: Number.NaN } }],
    ['less than nothing', {}, { rings: { spin: -1 } }],
    ['more than any ring holds', {}, { rings: { unread: 2 ** 30 } }],
    ['half a byte', {}, { rings: { turn: 0.5 } }],
  ]
  for (const [what, variables, options] of wrong) {
    test(`is refused ${what}, before it looks for a bus`, async () => {
      Object.assign(process.env, variables)
      await assert.rejects(attach({ socket: '/nowhere', ...options }), { code: 'INVALID_ARGUMENT', stage: 'rings' })
    })
  }
})
