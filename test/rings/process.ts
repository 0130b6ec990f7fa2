/** The other process of `rings-processes.integration.test.ts`: a partition that gives the ends of channels away once they are on rings. */
import { type Channel, DialledCarrier, Endpoint } from '../../src/bus/index.ts'
import type { ByteLink } from '../../src/link/index.ts'
import { Pipe } from '../../src/pipe/index.ts'
import { connectUnix, nodeEnv, RingMedium, RingPoller } from '../../src/transport/index.ts'
import { serveEnds, type Talk } from './far-end.ts'

/** The other process, as this one sees it and as it sees this one. */
interface Speaker {
  send?: ((message: unknown) => boolean) | undefined
  on(event: 'message', heard: (message: unknown) => void): unknown
}

/** The messages between a process and its child as a way to talk. */
export function talkOf(speaker: Speaker): Talk {
  return {
    post: (message) => void speaker.send?.(message),
    listen: (heard) => void speaker.on('message', heard),
  }
}

/** Settles when both bytes out of and into this end go through rings, as far as this end decides. */
export async function onRings(channel: Channel): Promise<Channel> {
  while (channel.medium !== 'ring') await new Promise((resolve) => setImmediate(resolve))
  return channel
}

const [, , path, window] = process.argv
if (process.send !== undefined && path !== undefined) await run(path, window === 'none' ? 0 : undefined)

async function run(socket: string, polling: number | undefined): Promise<void> {
  const dial = (): Promise<ByteLink> => connectUnix(socket)
  const rings = await RingMedium.load(new RingPoller(polling))
  const endpoint = await Endpoint.attach(new DialledCarrier(await dial(), dial), { env: nodeEnv(), rings })
  const arrived: Promise<Channel>[] = []
  let taken = (): void => {}
  for (const mode of ['byte', 'message'] as const) {
    await endpoint.offer(mode, {
      mode,
      decide: (opening, caller) => {
        arrived.push(opening.accept(caller))
        taken()
      },
    })
  }
  serveEnds(talkOf(process), async () => {
    while (arrived.length === 0) {
      await new Promise<void>((resolve) => {
        taken = resolve
      })
    }
    return new Pipe(await onRings(await (arrived.shift() as Promise<Channel>)))
  })
}
