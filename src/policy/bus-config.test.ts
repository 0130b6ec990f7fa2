import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { BusbarError } from '../errors/index.ts'
import { busConfigSchema, checkBusConfig, configUnreadable, formatProblem, parseBusConfig } from './index.ts'

const GOOD = `# yaml-language-server: $schema=./busbar.schema.json
partitions:
  storage:
    kind: qemu
    memory: 512M
    disks: [{ image: ./disk.img, readonly: true, mount: /srv//data/., filesystem: ext4 }]
    files: [{ from: ./storage.mjs, to: /app/storage.mjs }]
    run: [node, /app/storage.mjs, --port, 8080]
    env: { LEVEL: 3, NAME: "x" }
  web: { kind: process, run: [node, web.mjs] }
  box: { kind: external, socket: /run/v.sock, medium: vsock, port: 1024 }
policy:
  - { allow: web, to: storage, service: files.FileStore }
  - deny: '*'
    to: [storage, box]
    service: '*'
    mode: byte
`

/** The problems of a text as `line:column: message`. */
function problemsOf(text: string): string[] {
  return checkBusConfig(text, 'busbar.yaml').problems.map((problem) =>
    formatProblem(problem).replace(/^busbar\.yaml:/, ''),
  )
}

function errorOf(text: string): BusbarError {
  try {
    parseBusConfig(text, 'busbar.yaml')
  } catch (error) {
    assert.ok(error instanceof BusbarError)
    return error
  }
  return assert.fail('the text was accepted')
}

describe('a good file', () => {
  const config = parseBusConfig(GOOD, 'busbar.yaml')

  test('gives partitions in canonical values', () => {
    assert.deepEqual(config.partitions.get('storage'), {
      kind: 'qemu',
      memory: 536_870_912,
      cpus: 1,
      disks: [{ image: './disk.img', readonly: true, mount: '/srv/data', filesystem: 'ext4' }],
      files: [{ from: './storage.mjs', to: '/app/storage.mjs' }],
      run: ['node', '/app/storage.mjs', '--port', '8080'],
      env: new Map([
        ['LEVEL', '3'],
        ['NAME', 'x'],
      ]),
    })
    assert.deepEqual(config.partitions.get('web'), {
      kind: 'process',
      run: ['node', 'web.mjs'],
      cwd: undefined,
      env: new Map(),
    })
    assert.deepEqual(config.partitions.get('box'), {
      kind: 'external',
      socket: '/run/v.sock',
      medium: 'vsock',
      port: 1024,
    })
  })

  test('gives rules in order, each with its place', () => {
    const place = { file: 'busbar.yaml' }
    assert.deepEqual(config.policy, [
      {
        effect: 'allow',
        from: ['web'],
        to: ['storage'],
        service: ['files.FileStore'],
        mode: undefined,
        direct: false,
        ...place,
        line: 13,
      },
      {
        effect: 'deny',
        from: '*',
        to: ['storage', 'box'],
        service: '*',
        mode: 'byte',
        direct: false,
        ...place,
        line: 14,
      },
    ])
  })

  test('may leave out either part', () => {
    assert.equal(parseBusConfig('partitions: {}', 'f').policy.length, 0)
    assert.equal(parseBusConfig('policy: []', 'f').partitions.size, 0)
  })

  test('may name the host as a target', () => {
    const [rule] = parseBusConfig("policy: [{ allow: '*', to: host, service: '*' }]", 'f').policy
    assert.deepEqual(rule?.to, ['host'])
  })
})

describe('a bad file says file, line, column, what was found and what is expected', () => {
  const cases: readonly (readonly [name: string, text: string, problems: readonly string[]])[] = [
    ['empty', '', ['1:1: found an empty file, expected the keys partitions and policy']],
    ['only a comment', '# nothing\n', ['1:1: found an empty file, expected the keys partitions and policy']],
    ['not a mapping', '- 1\n', ['1:1: found a list, expected a mapping with the keys partitions and policy']],
    ['an unknown key', 'policies: []\n', ['1:1: found the unknown key "policies", expected one of partitions, policy']],
    [
      'an unknown key of a partition',
      'partitions:\n  a: { kind: process, run: [x], memroy: 1G }\n',
      ['2:33: found the unknown key "memroy", expected one of kind, run, cwd, env'],
    ],
    ['no kind', 'partitions: { a: {} }', ['1:18: the key "kind" is missing: one of qemu, process, external']],
    [
      'an unknown kind',
      'partitions: { a: { kind: kvm } }',
      ['1:26: found the text "kvm", expected one of qemu, process, external'],
    ],
    [
      'a bad name',
      'partitions: { Web_1: { kind: qemu } }',
      ['1:15: found the key "Web_1", expected names of partitions (a-z, 0-9 and -, a letter first, at most 63)'],
    ],
    [
      'the name of the host',
      'partitions: { host: { kind: qemu } }',
      ['1:13: found a partition called "host", which is the name of the host\'s own programs'],
    ],
    [
      'a shell line',
      'partitions: { a: { kind: process, run: node x.mjs } }',
      ['1:40: found the text "node x.mjs", expected a program and its arguments as a list, such as [node, main.mjs]'],
    ],
    [
      'a path that climbs',
      'partitions: { a: { kind: qemu, files: [{ from: x, to: /app/../etc/passwd }] } }',
      ['1:55: found the path "/app/../etc/passwd", expected one without ".."'],
    ],
    [
      'memory without unit',
      'partitions: { a: { kind: qemu, memory: 512 } }',
      ['1:40: found the number 512, expected a size of memory such as 512M or 2G'],
    ],
    [
      'too little memory',
      'partitions: { a: { kind: qemu, memory: 8M } }',
      ['1:40: found "8M", expected a size of memory from 64M to 1024G'],
    ],
    [
      'vsock without port',
      'partitions: { a: { kind: external, socket: /s, medium: vsock } }',
      ['1:18: the key "port" is missing: medium vsock needs it'],
    ],
    [
      'a port without vsock',
      'partitions: { a: { kind: external, socket: /s, medium: unix, port: 5 } }',
      ['1:18: the key "port" has no meaning for unix'],
    ],
    [
      'a truth value where text is meant',
      'partitions: { a: { kind: process, run: [x], env: { A: true } } }',
      ['1:55: found the truth value true, expected a text'],
    ],
    ['a key twice', 'policy: []\npolicy: []\n', ['2:1: the key "policy" stands here a second time']],
    [
      'an alias',
      'policy: &a []\npartitions: *a\n',
      ['1:12: found an anchor or a tag, plain data is expected', '2:13: found the alias *a, write the value out'],
    ],
    ['a tag', 'policy: !!seq []\n', ['1:15: found an anchor or a tag, plain data is expected']],
    ['two documents', 'policy: []\n---\npolicy: []\n', ['2:1: a second document begins here, one is expected']],
    [
      'a rule without effect',
      "policy: [{ to: host, service: '*' }]",
      ['1:10: found neither "allow" nor "deny", expected one of them'],
    ],
    [
      'a rule with both effects',
      "policy: [{ allow: '*', deny: '*', to: host, service: '*' }]",
      ['1:10: found both "allow" and "deny", expected one of them'],
    ],
    [
      'a rule without service',
      "policy: [{ allow: '*', to: host }]",
      ['1:10: the key "service" is missing: the services'],
    ],
    [
      'a rule with part of a name',
      "policy: [{ allow: '*', to: host, service: files.* }]",
      ['1:43: found the text "files.*", expected the name of a service, a list of names, or \'*\''],
    ],
    [
      'a rule with an empty list',
      "policy: [{ deny: [], to: host, service: '*' }]",
      ["1:18: found an empty list, expected the name of a partition, a list of names, or '*'"],
    ],
    [
      'a rule about the operator',
      "policy: [{ deny: host, to: host, service: '*' }]",
      ['1:18: found "host" as a caller, which no rule is about: its operator may open everything'],
    ],
    [
      'a rule about nobody',
      "policy: [{ deny: wbe, to: host, service: '*' }]\npartitions: { web: { kind: qemu } }",
      ['1:18: found the unknown partition "wbe", expected one of this file'],
    ],
  ]
  for (const [name, text, problems] of cases) {
    test(name, () => assert.deepEqual(problemsOf(text), problems))
  }

  test('an unquoted star, with the hint to quote it', () => {
    const error = errorOf('policy:\n  - { deny: *, to: host, service: x }\n')
    assert.equal(error.code, 'CONFIG')
    assert.match(error.message, /^busbar\.yaml:2:13: not valid YAML: /)
    assert.deepEqual(error.hints, ["A star is special in YAML: write it in quotes, '*'."])
  })

  test('broken off in the middle', () => {
    assert.match(problemsOf('partitions:\n  web: { kind: process, run: [node').join('\n'), /^2:\d+: not valid YAML/)
  })

  test('all problems at once, in order', () => {
    const problems = problemsOf('partitions:\n  a: { kind: qemu, cpus: 0 }\n  b: { kind: procss }\npolicy: 5\nx: 1\n')
    assert.deepEqual(
      problems.map((problem) => problem.split(':')[0]),
      ['2', '3', '4', '5'],
    )
  })

  test('the closest known key, kind or partition is suggested', () => {
    const text = 'partitions:\n  web: { kind: proces }\npolicy:\n  - { allow: webb, tp: web, to: web, service: x }\n'
    const { hints } = errorOf(text)
    assert.deepEqual(hints, ['Did you mean "process"?', 'Did you mean "web"?', 'Did you mean "to"?'])
  })

  test('POLICY when only rules are wrong, CONFIG otherwise', () => {
    assert.equal(errorOf('policy: [1]').code, 'POLICY')
    assert.equal(errorOf('policy: [1]\npartitions: 2').code, 'CONFIG')
  })

  test('texts of the file are escaped in messages', () => {
    const { message } = errorOf('"\\e[31m\\u202e": 1')
    assert.match(message, /\\u\{1b\}\[31m\\u\{202e\}/)
    assert.doesNotMatch(message, /[\u001b\u202e]/)
  })

  test('a file that cannot be read', () => {
    const error = configUnreadable('busbar.yaml', new Error('ENOENT'))
    assert.equal(error.code, 'CONFIG')
    assert.match(error.message, /"busbar\.yaml" could not be read/)
  })
})

describe('limits', () => {
  const refusals: readonly (readonly [name: string, text: string, message: RegExp])[] = [
    ['size', '#'.repeat(262_145), /has 262145 characters, at most 262144/],
    ['flow nesting', '['.repeat(100_000), /nested deeper than 16 levels/],
    ['mapping nesting', '{a: '.repeat(50_000), /nested deeper than 16 levels/],
    ['block nesting on one line', '- '.repeat(100_000), /nested deeper than 16 levels/],
    ['block nesting', Array.from({ length: 100 }, (_, i) => `${' '.repeat(i)}a:\n`).join(''), /nested deeper/],
    ['entries', `policy:\n${'- 1\n'.repeat(2_001)}`, /2001 entries, at most 2000/],
    ['rules', `policy:\n${"- { deny: '*', to: host, service: '*' }\n".repeat(1_001)}`, /1001 rules, at most 1000/],
    ['one text', `partitions: { a: { kind: process, run: [${'x'.repeat(4_097)}] } }`, /a text of 4097 characters/],
    [
      'partitions',
      `partitions:\n${Array.from({ length: 257 }, (_, i) => `  p${i}: { kind: qemu }\n`).join('')}`,
      /257 entries, at most 256/,
    ],
    ['doubling aliases', 'a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n', /found an anchor or a tag/],
    ['reported problems', `policy:\n${'- 1\n'.repeat(200)}`, /and 150 more$/],
  ]
  for (const [name, text, message] of refusals) {
    test(name, () => assert.match(errorOf(text).message, message))
  }
})

describe('any text at all', () => {
  const runs = { seed: 20_261_122, numRuns: 2_000 }
  const pieces = [
    'partitions policy web kind qemu process run env allow deny to service host'.split(' '),
    ': |, |{|}|[|]|- |*|&a|*a|!!|"|#|>|---|...|? |<<|%|0x1|1e9|null|~|true'.split('|'),
    ['|', "'", '\n', '\n  ', '\n    ', '\t', '\r', '\u0000', '\ud800', '\ufeff'],
  ]
  const word = fc.constantFrom(...pieces.flat())

  /** The property: a config or an error of this layer, whose text is safe to print. */
  function holds(text: string): void {
    try {
      parseBusConfig(text, 'f')
    } catch (error) {
      assert.ok(error instanceof BusbarError, String(error))
      assert.ok(error.code === 'CONFIG' || error.code === 'POLICY')
      for (const line of error.message.split('\n')) assert.match(line, /^f:(\d+:\d+: |\s?and \d+ more)/)
      assert.doesNotMatch(error.message.replaceAll('\n', ''), /[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/)
    }
  }

  test('random characters give a config or this layer’s error', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), holds), runs)
  })
  test('random pieces of the language too', () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 40 }), (words) => holds(words.join(''))),
      runs,
    )
  })
  test('a good file, broken off, doubled or with one piece changed, too', () => {
    const change = fc.tuple(fc.nat(GOOD.length), fc.nat(20), word)
    fc.assert(
      fc.property(change, ([at, removed, piece]) => {
        holds(GOOD.slice(0, at))
        holds(GOOD.slice(0, at) + piece + GOOD.slice(at + removed))
      }),
      { ...runs, numRuns: 500 },
    )
  })
  test('what was accepted once is accepted again with the same result', () => {
    assert.deepEqual(parseBusConfig(GOOD, 'f'), parseBusConfig(GOOD, 'f'))
  })
})

describe('the JSON Schema', () => {
  test('is plain data and describes the same keys', () => {
    const schema = JSON.parse(JSON.stringify(busConfigSchema)) as typeof busConfigSchema
    assert.deepEqual(schema, busConfigSchema)
    assert.deepEqual(Object.keys(schema['properties'] as object), ['partitions', 'policy'])
    const kinds = (
      schema['properties'] as { partitions: { additionalProperties: { oneOf: { required: string[] }[] } } }
    ).partitions.additionalProperties.oneOf
    assert.deepEqual(
      kinds.map(({ required }) => required),
      [['kind'], ['kind', 'run'], ['kind', 'socket', 'medium']],
    )
  })
})
