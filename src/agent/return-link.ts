import { decodeReturn, encodeReturn, isReturn, RETURN_BYTES } from '../component/index.ts'
import { BusbarError } from '../errors/index.ts'
import { type ByteLink, type Env, patientTimer, type Timer } from '../link/index.ts'
import { BegunLink } from './begun-link.ts'

/** What a channel to a component turned out to be: a return channel with its token, or a pipe of its own. */
export interface Arrival {
  readonly link: ByteLink
  /** Of the pipe that this is the return channel of; absent when it is a pipe of its own. */
  readonly token: string | undefined
}

/** How many bytes tell what a channel is for: version and type of its first PDU. */
const TELLING = 3

/** Begins a channel as the return channel that was asked for. */
export function beginReturn(link: ByteLink, token: string): void {
  const room = link.write(encodeReturn(token))
  // A channel that breaks says so by its end.
  if (room instanceof Promise) room.catch(() => {})
}

/**
 * Reads from a channel what it is for. Takes it; rejects, and closes it, when it begins as nothing does, or with nothing for `unbound`
 * milliseconds; time in which this process did not run does not count.
 */
export async function arrival(channel: ByteLink, env: Env, unbound: number): Promise<Arrival> {
  const link = new BegunLink(channel)
  const silent = (late: boolean): void => {
    if (late) return wait()
    const message = `limit unbound: a client had more than ${unbound} milliseconds in which it said nothing`
    link.close(new BusbarError('LIMIT', message))
  }
  const wait = (): void => {
    timer = patientTimer(env, unbound, silent)
  }
  let timer: Timer | undefined
  wait()
  try {
    if (isReturn(await link.peek(TELLING)) !== true) return { link, token: undefined }
    const first = await link.peek(RETURN_BYTES)
    const token = decodeReturn(first.subarray(0, RETURN_BYTES))
    link.skip(RETURN_BYTES)
    return { link, token }
  } catch (thrown) {
    link.close(BusbarError.from(thrown))
    throw thrown
  } finally {
    timer?.cancel()
  }
}
