import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BusbarError } from '../../errors/index.ts'
import { bytes, ECHO, OBJECT, OTHER, settle, world } from './harness.test.ts'

describe('client and server', () => {
  test('a call travels and comes back', async () => {
    const { client, server, echo } = world()
    const context = await client.bind(ECHO)
    const reply = await client.call(context, 0, bytes(100))
    assert.deepEqual(reply.stub, bytes(100))
    assert.equal(reply.little, true)
    assert.equal(echo.calls[0]?.opnum, 0)
    assert.equal(echo.calls[0]?.object, undefined)
    client.close()
    assert.equal((await client.closed)?.code, 'CLOSED')
    assert.notEqual(await server.closed, undefined)
  })

  test('an object UUID reaches the interface, again and again', async () => {
    const { client } = world()
    const context = await client.bind(ECHO)
    const others = [OBJECT, '00000001-0000-0000-0000-000000000000', OBJECT, 'ffffffff-ffff-ffff-ffff-ffffffffffff']
    for (const object of others) {
      const reply = await client.call(context, 3, new Uint8Array(0), { object })
      assert.equal(new TextDecoder().decode(reply.stub), object)
    }
    client.close()
  })

  test('several interfaces, asked for at once, each context once', async () => {
    const { client, server } = world()
    const [a, b, again] = await Promise.all([client.bind(ECHO), client.bind(OTHER), client.bind(ECHO)])
    assert.equal(a, again)
    assert.notEqual(a.id, b.id)
    assert.deepEqual((await client.call(b, 0, bytes(3))).stub, bytes(3))
    assert.equal(server.inspect().contexts.length, 2)
    client.close()
  })

  test('an interface or a version that the server lacks', async () => {
    const { client } = world()
    const wrong = { ...ECHO, major: 9 }
    await assert.rejects(client.bind(wrong), { code: 'NO_SUCH_INTERFACE' })
    await assert.rejects(client.bind({ ...OTHER, minor: 7 }), { code: 'NO_SUCH_INTERFACE' })
    const context = await client.bind(ECHO)
    assert.deepEqual((await client.call(context, 0, bytes(8))).stub, bytes(8))
    client.close()
  })

  test('an opnum outside the contract is refused before dispatch', async () => {
    const { client, echo, server } = world()
    const context = await client.bind(ECHO)
    await assert.rejects(client.call(context, 5, bytes(4)), { code: 'NOT_IN_CONTRACT', message: /did not execute/ })
    await assert.rejects(client.call(context, 65_535, bytes(200_000)), { code: 'NOT_IN_CONTRACT' })
    assert.equal(echo.calls.length, 0)
    assert.equal(server.inspect().calls.refused, 2)
    assert.deepEqual((await client.call(context, 0, bytes(4))).stub, bytes(4))
    client.close()
  })

  test('errors cross as faults and keep their code', async () => {
    const { client, echo } = world()
    const context = await client.bind(ECHO)
    for (const code of [
      'DENIED',
      'NO_SUCH_OBJECT',
      'BUSY',
      'BAD_VALUE',
      'DEADLINE',
      'NO_SUCH_CLASS',
      'LIMIT',
    ] as const) {
      echo.failure = new BusbarError(code, 'said the component')
      await assert.rejects(client.call(context, 1, bytes(1)), { code })
    }
    echo.failure = new TypeError('a bug')
    await assert.rejects(client.call(context, 1, bytes(1)), { code: 'FAULT' })
    echo.failure = new BusbarError('INTERNAL', 'theirs')
    await assert.rejects(client.call(context, 1, bytes(1)), { code: 'FAULT' })
    client.close()
  })

  test('many calls at once, answered in any order', async () => {
    const { client, echo, server } = world()
    const context = await client.bind(ECHO)
    const order: number[] = []
    const calls = Array.from({ length: 200 }, (_, i) =>
      client.call(context, 2, bytes(50, i)).then(({ stub }) => {
        assert.deepEqual(stub, bytes(50, i))
        order.push(i)
      }),
    )
    await settle()
    assert.equal(echo.waiting, 200)
    assert.equal(server.inspect().calls.running, 200)
    for (let i = 0; i < 200; i++) echo.release(echo.waiting - 1)
    await Promise.all(calls)
    assert.deepEqual(
      order,
      Array.from({ length: 200 }, (_, i) => 199 - i),
    )
    assert.equal(client.inspect().calls.pending, 0)
    client.close()
  })

  test('a server that asks to be left: pending calls are answered, new ones refused, and the end is in order', async () => {
    const { client, server, echo } = world()
    const context = await client.bind(ECHO)
    const pending = client.call(context, 2, bytes(5))
    await settle()
    server.shutdown()
    await settle()
    await assert.rejects(client.call(context, 0, bytes(1)), { code: 'RESET' })
    assert.equal(client.inspect().state, 'bound')
    echo.release()
    assert.deepEqual((await pending).stub, bytes(5))
    assert.equal(await client.closed, undefined)
    assert.equal(await server.closed, undefined)
  })
})
