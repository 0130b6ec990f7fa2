import { BusbarError } from '../../errors/index.ts'
import { maxSocketPath } from '../limits.ts'

/** Throws `INVALID_ARGUMENT` when the kernel could not take `path` whole: it would cut it short or refuse it unclearly. */
export function checkSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path)
  const max = maxSocketPath()
  if (bytes === 0 || path.includes('\0')) {
    throw new BusbarError('INVALID_ARGUMENT', 'the path of a Unix socket is empty or holds a zero byte', {
      stage: 'socket',
      hints: ['Name a file that can be created.'],
    })
  }
  if (bytes > max) {
    throw new BusbarError(
      'INVALID_ARGUMENT',
      `the socket path is ${bytes} bytes long, the kernel takes ${max}: ${path}`,
      {
        stage: 'socket',
        hints: ['Use a shorter directory, such as one under /run or /tmp.'],
      },
    )
  }
}
