import { Capture, type CapturedPipe, type CaptureOptions } from './index.ts'

export const PIPE: CapturedPipe = {
  caller: 'web',
  callerEpoch: 2,
  partition: 'storage',
  service: 'postgres',
  mode: 'byte',
  joinedLate: false,
  packets: undefined,
}

/** A capture whose clock goes on by a millisecond with each look. */
export function newCapture(options: Partial<CaptureOptions> = {}): Capture {
  let microseconds = 1_700_000_000_000_000
  return new Capture({ now: () => (microseconds += 1000), application: 'Busbar test', ...options })
}

/** All of a capture that is finished. */
export async function fileOf(made: Capture): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for (let chunk = await made.read(); chunk !== undefined; chunk = await made.read()) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Bytes in pipe packets, one for each payload. */
export function inPackets(...payloads: Uint8Array[]): Buffer {
  return Buffer.concat(
    payloads.flatMap((payload) => {
      const head = Buffer.alloc(8)
      head.writeUInt32LE(1, 0)
      head.writeUInt32LE(payload.length, 4)
      return [head, payload]
    }),
  )
}
