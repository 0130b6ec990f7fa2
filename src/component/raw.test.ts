import assert from 'node:assert/strict'
import { Reader, Slab } from '../bytes/index.ts'
import { type Contract, RpcAccess, RpcClient, type RpcReply } from '../rpc/index.ts'
import { ACTIVATOR, ACTIVATOR_IPID } from './activator.ts'
import type { Extent } from './extents.ts'
import { linkPair, settle, type World } from './harness.test.ts'
import { FIRST_OPNUM } from './interface.ts'
import { decodeObjRef, encodeObjRef, type ObjRef } from './objref.ts'
import type { ObjectLimits } from './limits.ts'
import { CallFront, readThat } from './orpc.ts'
import type { PeerUsage } from './peer-usage.ts'
import type { REM_UNKNOWN } from './rem-unknown.ts'
import { ObjectServer } from './server.ts'

interface RawOptions {
  readonly limits?: Partial<ObjectLimits>
  readonly usage?: PeerUsage
  /** Says that it calls what other calls are going to give. */
  readonly pipelines?: boolean
}

/** A caller that keeps to no rule but the framing: it says which object, interface, number and bytes it likes. */
export class Raw {
  readonly rpc: RpcClient
  readonly server: ObjectServer
  readonly #front = new CallFront(new Uint8Array(16), new Slab())

  constructor({ env, classes, channels }: Pick<World, 'env' | 'classes' | 'channels'>, more: RawOptions = {}) {
    const [mine, theirs] = linkPair()
    const caller = { partition: 'raw', epoch: 1 }
    const { limits, usage, pipelines = false } = more
    const options = { env, classes, caller, returns: channels, ...(usage === undefined ? {} : { usage }) }
    this.server = new ObjectServer(new RpcAccess(theirs), { ...options, ...(limits === undefined ? {} : { limits }) })
    this.rpc = new RpcClient(new RpcAccess(mine), { env, pipelines })
  }

  async bytes(uuid: string, object: string | undefined, opnum: number, stub: Uint8Array): Promise<RpcReply> {
    const context = await this.rpc.bind({ uuid, major: 0, minor: 0 })
    return this.rpc.call(context, opnum, stub, object === undefined ? {} : { object })
  }

  /** A value that is an ObjRef stands for a reference with exactly those bytes. */
  stub(
    contract: Pick<Contract, 'procedures'> | typeof REM_UNKNOWN,
    number: number,
    args: unknown,
    extents: readonly Extent[] = [],
  ): Uint8Array {
    const { request } = contract.procedures[number]!
    const writer = this.#front.begin(0, extents)
    request.write(writer, args, { give: (_, value) => encodeObjRef(value as ObjRef), take: assert.fail })
    return writer.finish()
  }

  async call(contract: Contract | typeof REM_UNKNOWN, object: string, number: number, args: unknown): Promise<unknown> {
    const stub = this.stub(contract, number, args)
    const reply = await this.bytes(contract.uuid, object, FIRST_OPNUM + number, stub)
    const reader = new Reader(reply.stub)
    assert.equal(readThat(reader), undefined)
    const take = (_: Contract, reference: Uint8Array): ObjRef => decodeObjRef(reference)
    return contract.procedures[number]!.reply.read(reader, { give: assert.fail, take })
  }

  async activate(contract: Contract): Promise<{ remUnknown: string; object: ObjRef }> {
    const ids = { classId: contract.uuid, interfaceId: contract.uuid }
    return (await this.call(ACTIVATOR, ACTIVATOR_IPID, 0, ids)) as { remUnknown: string; object: ObjRef }
  }

  async close(): Promise<void> {
    this.rpc.close()
    await this.server.closed
    await settle()
    assert.equal(this.server.inspect().objects, 0)
  }
}
