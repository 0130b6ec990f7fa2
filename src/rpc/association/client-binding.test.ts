import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BusbarError } from '../../errors/index.ts'
import { type ContextResult, REASON, RESULT } from '../pdu/bind.ts'
import { PFC, WHOLE } from '../pdu/header.ts'
import { FEATURE, NDR20, NO_SYNTAX } from '../pdu/syntax.ts'
import { ClientBinding } from './client-binding.ts'
import { ECHO } from './harness.test.ts'

const ACCEPTED: ContextResult = { result: RESULT.ACCEPTED, reason: REASON.NONE, transfer: NDR20 }
const REJECTED: ContextResult = {
  result: RESULT.PROVIDER_REJECTED,
  reason: REASON.ABSTRACT_SYNTAX,
  transfer: NO_SYNTAX,
}
const FRAGMENT = 4_096

/** A binding that wants four interfaces; the first is agreed on, and the next question is out. */
function asked(pipelined: boolean): { binding: ClientBinding; outcomes: string[] } {
  const binding = new ClientBinding(FRAGMENT, 64, 0, true)
  const outcomes: string[] = []
  for (const major of [1, 2, 3, 4]) {
    binding.want({ ...ECHO, major }).then(
      ({ id }) => outcomes.push(`${major} is ${id}`),
      (thrown: unknown) => outcomes.push(`${major} ${BusbarError.from(thrown).code}`),
    )
  }
  binding.ask(() => 1)
  const bits = FEATURE.KEEP_ON_ORPHAN | (pipelined ? FEATURE.PIPELINED : 0)
  const features = { result: RESULT.NEGOTIATED, reason: bits, transfer: NO_SYNTAX }
  binding.acknowledged(1, WHOLE | PFC.CONC_MPX, answer(ACCEPTED, features))
  binding.ask(() => 2)
  return { binding, outcomes }
}

function answer(...results: ContextResult[]): Parameters<ClientBinding['altered']>[1] {
  return { transmit: FRAGMENT, receive: FRAGMENT, group: 1, results }
}

async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
}

describe('interfaces that are asked for at once', () => {
  test('are agreed on one by one: one that is refused leaves the others', async () => {
    const { binding, outcomes } = asked(true)
    binding.altered(2, answer(ACCEPTED, REJECTED, ACCEPTED))
    await settle()
    assert.deepEqual(outcomes.toSorted(), ['1 is 0', '2 is 1', '3 NO_SUCH_INTERFACE', '4 is 3'])
    assert.deepEqual(
      binding.contexts.map(({ id }) => id),
      [0, 1, 3],
    )
  })

  test('those without an answer are refused', async () => {
    const { binding, outcomes } = asked(true)
    binding.altered(2, answer(ACCEPTED))
    await settle()
    assert.deepEqual(outcomes.toSorted(), ['1 is 0', '2 is 1', '3 NO_SUCH_INTERFACE', '4 NO_SUCH_INTERFACE'])
  })

  test('more answers than questions break the protocol, and so does a transfer syntax that was not offered', async () => {
    const wrong = [answer(ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED), answer(ACCEPTED, { ...ACCEPTED, transfer: ECHO })]
    for (const each of wrong) {
      const { binding, outcomes } = asked(true)
      assert.throws(() => binding.altered(2, each), { code: 'PROTOCOL' })
      // Whoever speaks for the association ends it then.
      binding.fail(new BusbarError('PROTOCOL', 'the association is over'))
      await settle()
      assert.deepEqual(outcomes.toSorted(), ['1 is 0', '2 PROTOCOL', '3 PROTOCOL', '4 PROTOCOL'])
    }
  })

  test('of a peer that does not pipeline they are asked for one after the other', async () => {
    const { binding, outcomes } = asked(false)
    assert.throws(() => binding.altered(2, answer(ACCEPTED, ACCEPTED)), { code: 'PROTOCOL' })
    binding.altered(2, answer(ACCEPTED))
    await settle()
    assert.deepEqual(outcomes, ['1 is 0', '2 is 1'])
  })

  test('are asked for again where the question was answered with a fault', async () => {
    const { binding, outcomes } = asked(true)
    assert.ok(binding.faulted(2, 0x1c01_0014, true))
    await settle()
    assert.deepEqual(outcomes, ['1 is 0', '2 BUSY', '3 BUSY', '4 BUSY'])
    const again = binding.want({ ...ECHO, major: 2 })
    assert.ok(binding.ask(() => 3) !== undefined)
    binding.altered(3, answer(ACCEPTED))
    assert.equal((await again).interface.major, 2)
  })
})
