import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { RpcAccess } from '../access.ts'
import { RpcClient } from './client.ts'
import { AssociationGroups } from './groups.ts'
import { bytes, Echo, ECHO, settle, TestEnv, linkPair } from './harness.test.ts'
import type { Lookup } from './server-binding.ts'
import { RpcServer } from './server.ts'

describe('association groups', () => {
  function connect(env: TestEnv, groups: AssociationGroups, group = 0): RpcClient {
    const [mine, theirs] = linkPair()
    new RpcServer(new RpcAccess(theirs), { env, groups, lookup: () => new Echo() })
    return new RpcClient(new RpcAccess(mine), { env, group })
  }

  test('a second link joins the group of the first, and the group ends with the last', async () => {
    const env = new TestEnv()
    const groups = new AssociationGroups(env)
    const first = connect(env, groups)
    await first.bind(ECHO)
    const group = first.inspect().group
    const second = connect(env, groups, group)
    const context = await second.bind(ECHO)
    assert.equal(second.inspect().group, group)
    assert.deepEqual((await second.call(context, 0, bytes(9))).stub, bytes(9))
    const other = connect(env, groups)
    await other.bind(ECHO)
    assert.notEqual(other.inspect().group, group)
    assert.equal(groups.size, 2)
    first.close()
    await settle()
    assert.equal(groups.size, 2)
    second.close()
    other.close()
    await settle()
    assert.equal(groups.size, 0)
  })

  test('what was kept for a group is told when it goes: with the last link, once', async () => {
    const env = new TestEnv()
    const over: number[] = []
    const groups = new AssociationGroups(env, { ended: (group) => over.push(group) })
    const asked: number[] = []
    const connect = (group = 0): RpcClient => {
      const [mine, theirs] = linkPair()
      const lookup: Lookup = (_, of) => {
        asked.push(of)
        return new Echo()
      }
      new RpcServer(new RpcAccess(theirs), { env, groups, lookup })
      return new RpcClient(new RpcAccess(mine), { env, group })
    }
    const first = connect()
    await first.bind(ECHO)
    const { group } = first.inspect()
    const second = connect(group)
    await second.bind(ECHO)
    assert.deepEqual(asked, [group, group])
    first.close()
    await settle()
    assert.deepEqual(over, [])
    second.close()
    await settle()
    assert.deepEqual(over, [group])
    await assert.rejects(connect(group).bind(ECHO), { code: 'DENIED' })
    assert.deepEqual(over, [group])
  })

  test("another caller's group is not known", async () => {
    const env = new TestEnv()
    const first = connect(env, new AssociationGroups(env))
    await first.bind(ECHO)
    const stranger = connect(env, new AssociationGroups(env), first.inspect().group)
    await assert.rejects(stranger.bind(ECHO), { code: 'DENIED' })
    first.close()
  })

  test('ids are never zero and never given twice', () => {
    const env = new TestEnv()
    env.random = (into) => into.fill(0xff)
    const groups = new AssociationGroups(env)
    assert.deepEqual([groups.open(), groups.open(), groups.open()], [0xffff_ffff, 1, 2])
    assert.equal(groups.join(3), false)
    groups.leave(3)
    assert.equal(groups.size, 3)
  })
})
