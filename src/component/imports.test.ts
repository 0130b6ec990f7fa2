import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { contract, method, t } from '../rpc/index.ts'
import { code } from './harness.test.ts'
import type { Held, Via } from './held.ts'
import { ImportTable } from './imports.ts'
import { MAX_RELEASES } from './limits.ts'
import type { ObjRef } from './objref.ts'
import type { InterfaceRefs } from './rem-unknown.ts'

const Item = contract('test.Item', { version: '1.0' }, { use: method({}, t.void) })
const Other = contract('test.Other', { version: '1.0' }, { use: method({}, t.void) })

/** A table, what it sent in each message, and what answers those. */
function table({ max = 100 } = {}) {
  const sent: InterfaceRefs[][] = []
  const answers: (() => void)[] = []
  const via = { letGo: (held: Held) => imports.release(held) } as Via
  const imports: ImportTable = new ImportTable(max, via, (refs) => {
    sent.push([...refs])
    return new Promise((resolve) => answers.push(resolve))
  })
  const take = (number: number, references = 1): Held => imports.take(Item, ref(number, references))
  return { imports, sent, answers, take, ipids: () => sent.map((refs) => refs.map(({ ipid }) => ipid)) }
}

function ref(number: number, references = 1): ObjRef {
  return { iid: Item.uuid, ipid: ipid(number), references, oxid: 1n, oid: BigInt(number) }
}

function ipid(number: number): string {
  return `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

describe('the table of imports', () => {
  test('takes what a contract promises, up to its limit, and nothing else', () => {
    const { imports, take } = table({ max: 2 })
    assert.throws(() => take(1, 0), code('MALFORMED'))
    assert.throws(() => imports.take(Other, ref(1)), code('NO_SUCH_INTERFACE', /test\.Other/))
    const [first, second] = [take(1), take(1, 3)]
    assert.deepEqual([first.references, second.references, imports.size, imports.taken], [1, 3, 2, 2])
    assert.throws(() => take(2), code('LIMIT', /objects: 2/))
    assert.deepEqual([...imports.byInterface], [['test.Item', 2]])
  })

  test('releases of one turn leave in one message, with their counts, and settle when it was answered', async () => {
    const { imports, take, sent, answers } = table()
    const [first, second, third] = [take(1), take(2, 5), take(3)]
    let settled = 0
    const done = [first.release(), second.release(), first.release()]
    for (const each of done) void each.then(() => settled++)
    assert.deepEqual([imports.size, sent.length], [1, 0])
    await turn()
    assert.deepEqual(sent, [
      [
        { ipid: ipid(1), references: 1 },
        { ipid: ipid(2), references: 5 },
      ],
    ])
    assert.equal(settled, 0)
    void third.release()
    await turn()
    answers[0]?.()
    await turn()
    assert.deepEqual([settled, sent.length, imports.size], [3, 2, 0])
  })

  test('one message releases no more than there may be in one', async () => {
    const { take, sent } = table({ max: 2 * MAX_RELEASES })
    const all = Array.from({ length: MAX_RELEASES + 1 }, (_, i) => take(i))
    for (const held of all) void held.release()
    await turn()
    assert.deepEqual(
      sent.map(({ length }) => length),
      [MAX_RELEASES, 1],
    )
  })

  test('a message that was not whole gives back what it brought; one that was refused leaves that to its sender', async () => {
    const { imports, take, ipids } = table()
    take(1)
    imports.commit()
    take(2)
    take(3)
    imports.rollback()
    await turn()
    assert.deepEqual([ipids(), imports.size], [[[ipid(2), ipid(3)]], 1])
    take(4)
    imports.disown()
    imports.rollback()
    await turn()
    assert.deepEqual([ipids().length, imports.size, imports.taken], [1, 1, 4])
  })

  test('what went home in an answer is released when the other side says that it has it, once for each time', async () => {
    const { imports, take, ipids } = table()
    const held = take(1)
    imports.lend(held)
    imports.lend(held)
    imports.commitLoans()
    void held.release()
    await turn()
    assert.deepEqual(ipids(), [])
    imports.returned(ipid(2), 5)
    imports.returned(ipid(1), 1)
    await turn()
    assert.deepEqual(ipids(), [])
    // More than was lent is no more than was lent.
    imports.returned(ipid(1), 7)
    imports.returned(ipid(1), 1)
    await turn()
    assert.deepEqual([ipids(), imports.size], [[[ipid(1)]], 0])
  })

  test('an answer that was never sent lends nothing', async () => {
    const { imports, take, ipids } = table()
    const held = take(1)
    imports.lend(held)
    void held.release()
    imports.rollbackLoans()
    imports.returned(ipid(1), 1)
    await turn()
    assert.deepEqual(ipids(), [[ipid(1)]])
  })

  test('a share keeps the references until it is released as well', async () => {
    const { take, ipids } = table()
    const held = take(1, 2)
    const share = held.share()
    void held.release()
    await turn()
    assert.deepEqual([ipids(), held.released, share.released], [[], true, false])
  })

  test('nobody can reach it: released when no call on it is pending and nothing pins it', async () => {
    const { take, ipids } = table()
    const held = take(1)
    held.calls++
    held.pin()
    held.forget()
    held.settled()
    await turn()
    assert.deepEqual(ipids(), [])
    held.unpin()
    await turn()
    assert.deepEqual(ipids(), [[ipid(1)]])
  })

  test('when the pipe is over nothing is held, and nothing is sent', async () => {
    const { imports, take, ipids } = table()
    const held = take(1)
    imports.lend(take(2))
    imports.commitLoans()
    imports.clear()
    const late = take(3)
    assert.equal(imports.size, 0)
    await Promise.all([held.release(), late.release()])
    imports.returned(ipid(2), 1)
    await turn()
    assert.deepEqual(ipids(), [])
  })
})
