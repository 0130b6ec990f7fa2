import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { contract, method, RpcAccess, t } from '../rpc/index.ts'
import { memoryPair, StillEnv } from '../testing/index.ts'
import { ClassTable } from './classes.ts'
import { ObjectClient } from './client.ts'
import { code, settle } from './harness.test.ts'
import { implement } from './implement.ts'
import { perCaller } from './per-caller.ts'
import { ObjectServer } from './server.ts'

const Counter = contract('test.Counter', { version: '1.2' }, { next: method({}, t.uint32) })
const Reset = contract('test.Reset', { version: '2.0' }, { reset: method({}, t.void) })

class CounterComponent {
  static made = 0
  static disposed = 0
  #n = 0
  constructor() {
    CounterComponent.made++
  }
  next(): number {
    return ++this.#n
  }
  reset(): void {
    this.#n = 0
  }
  [Symbol.dispose](): void {
    CounterComponent.disposed++
  }
}

function table(): ClassTable {
  CounterComponent.made = 0
  CounterComponent.disposed = 0
  return new ClassTable()
}

function pipe(classes: ClassTable, partition: string, epoch = 1): ObjectClient {
  const env = new StillEnv()
  const [near, far] = memoryPair()
  const server = new ObjectServer(new RpcAccess(far), { env, classes, caller: { partition, epoch } })
  void server.closed
  return new ObjectClient(new RpcAccess(near), { env })
}

const counts = () => [CounterComponent.made, CounterComponent.disposed]

describe('activation', () => {
  test('of one component for all callers', async () => {
    const classes = table()
    classes.offer(Counter, new CounterComponent())
    const [a, b] = [pipe(classes, 'a'), pipe(classes, 'b')]
    const one = await a.activate(Counter)
    assert.equal(await one.next(), 1)
    assert.equal(await (await b.activate(Counter)).next(), 2)
    a.close()
    b.close()
    await settle()
    assert.deepEqual(counts(), [1, 0])
  })

  test('of one for each activation, told who activates', async () => {
    const classes = table()
    const callers: string[] = []
    classes.offer(Counter, ({ caller }) => {
      callers.push(caller.partition)
      return new CounterComponent()
    })
    const a = pipe(classes, 'a')
    const [one, two] = [await a.activate(Counter), await a.activate(Counter)]
    assert.deepEqual([await one.next(), await two.next(), callers], [1, 1, ['a', 'a']])
    await one[Symbol.asyncDispose]()
    assert.deepEqual(counts(), [2, 1])
    a.close()
    await settle()
    assert.deepEqual(counts(), [2, 2])
  })

  test('of one for each caller, on all its pipes, until it has released it on all of them', async () => {
    const classes = table()
    classes.offer(
      Counter,
      perCaller(async () => new CounterComponent()),
    )
    const [a, again, b, restarted] = [pipe(classes, 'a'), pipe(classes, 'a'), pipe(classes, 'b'), pipe(classes, 'a', 2)]
    const [one, two] = await Promise.all([a.activate(Counter), a.activate(Counter)])
    const three = await again.activate(Counter)
    assert.deepEqual([await one.next(), await two.next(), await three.next()], [1, 2, 3])
    assert.equal(await (await b.activate(Counter)).next(), 1)
    assert.equal(await (await restarted.activate(Counter)).next(), 1)
    assert.deepEqual(counts(), [3, 0])
    await one[Symbol.asyncDispose]()
    await two[Symbol.asyncDispose]()
    assert.deepEqual(counts(), [3, 0])
    again.close()
    await settle()
    assert.deepEqual(counts(), [3, 1])
    assert.equal(await (await a.activate(Counter)).next(), 1)
    for (const each of [a, b, restarted]) each.close()
    await settle()
    assert.deepEqual(counts(), [4, 4])
  })

  test('whose maker fails says so, and the next one tries again', async () => {
    const classes = table()
    let tries = 0
    classes.offer(
      Counter,
      perCaller(() => {
        if (tries++ === 0) throw Object.assign(new Error('not yet'), { code: 'EMINE' })
        return tries === 2 ? ({} as CounterComponent) : new CounterComponent()
      }),
    )
    const a = pipe(classes, 'a')
    await assert.rejects(a.activate(Counter), code('FAULT', /not yet/))
    await assert.rejects(a.activate(Counter), code('BAD_VALUE', /"next" is missing/))
    assert.equal(await (await a.activate(Counter)).next(), 1)
    a.close()
    await settle()
    assert.deepEqual(counts(), [1, 1])
  })

  test('of nothing but what is offered', async () => {
    const a = pipe(table(), 'a')
    await assert.rejects(a.activate(Counter), code('NO_SUCH_CLASS'))
    a.close()
  })
})

test('what is on offer is listed with its contracts and versions', () => {
  const classes = table()
  classes.offer(Counter, implement([Counter, Reset], new CounterComponent()))
  classes.offer(
    Reset,
    perCaller(() => new CounterComponent()),
  )
  const counter = { name: 'test.Counter', version: '1.2', uuid: Counter.uuid }
  const reset = { name: 'test.Reset', version: '2.0', uuid: Reset.uuid }
  assert.deepEqual(classes.list(), [
    { classId: Counter.uuid, instances: 'one', contracts: [counter, reset] },
    { classId: Reset.uuid, instances: 'one per caller', contracts: [reset] },
  ])
})
