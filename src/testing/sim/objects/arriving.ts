import { RpcAccess, type Caller } from '../../../rpc/index.ts'
import type { Pipe } from '../../../pipe/index.ts'
import type { World } from '../world.ts'
import { BegunPipe } from './begun-pipe.ts'
import type { Holder } from './holder.ts'
import { HubSession } from './serving.ts'

/** Serves what was opened: a pipe of its own, or the return channel of one. Settles when it is over. Takes the pipe. */
export async function serveObjects(world: World, holder: Holder, pipe: Pipe, caller: Caller): Promise<void> {
  const begun = new BegunPipe(pipe)
  try {
    const token = await begun.token()
    if (token === undefined) {
      await new HubSession(world.objects, holder, begun, caller).server.closed
      return
    }
    holder.returns.claim(token, caller, new RpcAccess(begun))
    await pipe.closed
  } catch (thrown) {
    world.expectFailure(`reading what ${pipe.name} is for`, thrown, true)
    pipe.close()
  }
}
