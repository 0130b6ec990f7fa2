import { open, rm } from 'node:fs/promises'
import { BusbarError } from '../errors/index.ts'

/** Where a capture goes. */
export interface CaptureSink {
  /** Settles when the bytes were taken. */
  write(bytes: Uint8Array): Promise<void>
  close(): Promise<void>
}

/**
 * A new file that only this user can read, whatever was there before: a capture holds all that crosses the bus.
 * `INVALID_ARGUMENT` when there is a file of that name already, unless `replace` says to remove it.
 */
export async function captureFile(path: string, replace: boolean): Promise<CaptureSink> {
  if (replace) await rm(path, { force: true })
  const file = await open(path, 'wx', 0o600).catch((cause: unknown) => {
    const exists = (cause as { readonly code?: unknown }).code === 'EEXIST'
    throw new BusbarError('INVALID_ARGUMENT', exists ? `${path} exists` : `${path} cannot be written`, {
      stage: 'capture',
      cause,
      hints: exists ? ['choose another name, or remove it'] : [],
    })
  })
  return {
    write: async (bytes) => {
      await file.writeFile(bytes)
    },
    close: () => file.close(),
  }
}

/** Standard output, for a reader such as Wireshark. */
export function captureOutput(): CaptureSink {
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()))
      }),
    close: async () => {},
  }
}
