import { spawn } from 'node:child_process'

/** Kills a process group if this process dies without having released it. */
export interface Watchdog {
  /** The group is gone: there is nothing left to watch. Idempotent. */
  release(): void
}

/**
 * Waits for one line on standard input. End of input without it means that the parent died, by SIGKILL too: the kernel closes
 * the pipe for it. `$1` is the group, `$2` a directory to remove or nothing.
 */
const SCRIPT = `trap '' INT TERM HUP; read -r line && exit 0; kill -KILL "-$1"; [ -z "$2" ] || rm -rf -- "$2"`

/**
 * Guards the process group led by `leader`: should this process die, the group is killed and `directory` removed. Linux can tie
 * a child to its parent only by prctl, which Node cannot call; a pipe that closes does the same.
 */
export function guardGroup(leader: number, directory: string | undefined): Watchdog {
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'busbar-watchdog', `${leader}`, directory ?? ''], {
    // Its own group: Ctrl-C in the terminal must not reach it before the parent has decided what to do.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: { PATH: '/usr/bin:/bin' },
    cwd: '/',
  })
  // Without a shell there is no guard; the partition still ends with an orderly parent.
  child.on('error', () => undefined)
  child.stdin.on('error', () => undefined)
  child.unref()
  // A pipe to a child is a socket, which would keep this process alive.
  if ('unref' in child.stdin && typeof child.stdin.unref === 'function') child.stdin.unref()
  return {
    release: () => {
      // Who has ended in order leaves no shell behind, not even one that ends right now.
      child.ref()
      if (child.stdin.writable) child.stdin.end('released\n')
    },
  }
}
