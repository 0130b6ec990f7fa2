import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BusbarError } from '../errors/index.ts'
import type { Command } from './command.ts'
import { asksForJson, parseCommandLine, unknownCommand } from './command-line.ts'

const COMMAND: Command = {
  name: 'try',
  words: 'WORD [MORE]',
  summary: '',
  options: {
    json: { type: 'boolean', help: '' },
    write: { type: 'string', short: 'w', value: 'FILE', help: '' },
  },
  examples: [],
  look: '',
  arity: [1, 2],
  run: () => Promise.resolve(0),
}

test('words, options and what stands behind them', async () => {
  for (const [args, words, options] of [
    [['a', '--json'], ['a'], { json: true }],
    [['a', '-w', '-'], ['a'], { write: '-' }],
    [['a', '--write=-5'], ['a'], { write: '-5' }],
    [['--write', 'f', 'a', 'b'], ['a', 'b'], { write: 'f' }],
    [['--', '--json'], ['--json'], {}],
    [['--help'], [], { help: true }],
    [['-h', 'a', 'b', 'c'], ['a', 'b', 'c'], { help: true }],
  ] as const) {
    const given = await parseCommandLine(COMMAND, args)
    assert.deepEqual([given.words, { ...given.options }], [words, options])
  }
})

test('what it does not take is named, in words of our own', async () => {
  for (const [args, said] of [
    [['a', '--jsn'], /^`busbar try` has no option --jsn; it has --json, --write, --help$/],
    [['a', '-x'], /has no option -x/],
    [['a', '--constructor'], /has no option --constructor/],
    [['a', '--write'], /^--write needs FILE behind it$/],
    [['a', '--write', '--json'], /^--write needs FILE behind it, found "--json"$/],
    [['a', '--json=1'], /^--json takes no value, found "1"$/],
    [[], /^found nothing, expected: busbar try WORD \[MORE\]$/],
    [['a', 'b', 'c'], /^found "a b c", expected: /],
  ] as const) {
    const error = await parseCommandLine(COMMAND, args).then(
      () => assert.fail(args.join(' ')),
      (thrown: unknown) => thrown as BusbarError,
    )
    assert.deepEqual([error.code, error.stage], ['INVALID_ARGUMENT', 'command line'])
    assert.match(error.message, said)
  }
  const near = (await parseCommandLine(COMMAND, ['--jsn']).catch((thrown: unknown) => thrown)) as BusbarError
  assert.equal(near.hints[0], 'did you mean "--json"?')
  assert.match((await unknownCommand('tri', ['try', 'ls'])).message, /^there is no command "tri"; there are try, ls$/)
})

test('JSON was asked for, unless it stands where words do', () => {
  assert.deepEqual(
    [['a', '--json', '--nope'], ['--', '--json'], []].map((args) => asksForJson(args)),
    [true, false, false],
  )
})
