import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { NIL_GUID } from '../bytes/index.ts'
import { RpcAccess } from '../rpc/index.ts'
import { memoryPair, StillEnv } from '../testing/index.ts'
import { code } from './harness.test.ts'
import { decodeReturn, encodeReturn, isReturn, RETURN_BYTES, ReturnChannels } from './return-channels.ts'

describe('the first PDU of a return channel', () => {
  test('is an RTS PDU with one cookie', () => {
    const bytes = encodeReturn('01020304-0506-0708-090a-0b0c0d0e0f10')
    assert.equal(
      Buffer.from(bytes).toString('hex'),
      '05001403100000002800000000000000' + '00000100' + '03000000' + '0403020106050807090a0b0c0d0e0f10',
    )
    assert.equal(decodeReturn(bytes), '01020304-0506-0708-090a-0b0c0d0e0f10')
    assert.deepEqual(
      [isReturn(bytes), isReturn(bytes.subarray(0, 2)), isReturn(Uint8Array.of(5, 0, 11))],
      [true, undefined, false],
    )
  })

  test('everything else is refused', () => {
    const good = encodeReturn('01020304-0506-0708-090a-0b0c0d0e0f10')
    for (let length = 0; length < RETURN_BYTES; length++) {
      assert.throws(() => decodeReturn(good.subarray(0, length)), code('MALFORMED'))
    }
    fc.assert(
      fc.property(fc.nat(RETURN_BYTES - 17), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const bad = good.slice()
        bad[at] = (bad[at] as number) ^ change
        assert.throws(() => decodeReturn(bad), code('MALFORMED'))
      }),
    )
  })
})

describe('tokens', () => {
  test('count once, for the caller they were given to, while its pipe is there', async () => {
    const channels = new ReturnChannels(new StillEnv())
    const web = { partition: 'web', epoch: 3 }
    const { token, channel } = channels.invite(web)
    const refused = async (who: { partition: string; epoch: number }, with_ = token): Promise<void> => {
      const [near, far] = memoryPair()
      channels.claim(with_, who, new RpcAccess(far))
      assert.equal((await near.closed)?.code, 'DENIED')
    }
    await refused({ partition: 'other', epoch: 3 })
    await refused({ partition: 'web', epoch: 4 })
    await refused(web, NIL_GUID)
    const [, far] = memoryPair()
    const access = new RpcAccess(far)
    channels.claim(token, web, access)
    assert.equal(await channel, access)
    await refused(web)
    const second = channels.invite(web)
    second.withdraw()
    await assert.rejects(second.channel, code('CLOSED'))
    await refused(web, second.token)
    assert.equal(channels.waiting, 0)
  })
})
