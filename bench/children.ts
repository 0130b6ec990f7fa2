import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'

/** Descriptor on which a child finds its end of a socket pair, when it was given one. */
const BUS_FD = 3

/** A process of a benchmark: told what to do, and tells what it measured. */
export interface Child {
  readonly process: ChildProcess
  /** Our end of its socket pair. */
  readonly socket: Socket
  /** Sends a request and waits for the answer. */
  ask(request: unknown): Promise<unknown>
  stop(): Promise<void>
}

/** Starts `bench/peers/NAME.ts` and waits until it is ready. `channels`: where it dials the sockets of its channels. `vars`: environment. */
export async function startChild(
  name: string,
  channels?: string,
  vars: Readonly<Record<string, string>> = {},
): Promise<Child> {
  const path = fileURLToPath(new URL(`./peers/${name}.ts`, import.meta.url))
  const child = fork(path, {
    execArgv: ['--import', 'tsx', '--expose-gc'],
    env: {
      ...process.env,
      ...vars,
      BUSBAR_FD: `${BUS_FD}`,
      ...(channels === undefined ? {} : { BUSBAR_CHANNELS: channels }),
    },
    stdio: ['ignore', 'inherit', 'inherit', 'pipe', 'ipc'],
  })
  const socket = child.stdio[BUS_FD] as unknown as Socket
  socket.allowHalfOpen = true
  const failed = once(child, 'exit').then(([code]) => {
    throw new Error(`${name} ended with ${code}`)
  })
  failed.catch(() => {})
  await Promise.race([once(child, 'message'), failed])
  return {
    process: child,
    socket,
    ask: async (request) => {
      child.send(request as object)
      const [answer] = (await Promise.race([once(child, 'message'), failed])) as [unknown]
      return answer
    },
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL')
        await once(child, 'exit')
      }
      socket.destroy()
    },
  }
}
