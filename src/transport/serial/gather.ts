import net from 'node:net'

/**
 * Bytes asked for at once. A guest's kernel hands out at most a page (Linux `virtio_console.c`), and libuv reads on only after
 * a read that filled its buffer: with a larger buffer each page would cost a turn of the event loop.
 */
const READ_BYTES = 4096
/** Most that is gathered, `bytes`: libuv reads up to 32 times a turn, which is 131,072 in pages. */
const SLAB_BYTES = 131_072
/**
 * How long a full page waits for the one after it, `ms`. QEMU hands over 4,096 bytes at a time, so a full page is a piece of
 * something longer; whatever ends with less than a page, as every small call does, never waits.
 */
const GATHER_MS = 3

/**
 * A socket over a handle whose reads are small: what belongs together comes as one `'data'`. A guest's kernel gives a page at
 * a time, and each piece that travels on by itself costs the whole way up again: a stream of 64 MiB took an emulated guest
 * 78 s in pages, and takes 43 s so.
 */
export function gatheringSocket(handle: object): net.Socket {
  let slab = new Uint8Array(0)
  let from = 0
  let at = 0
  let timer: NodeJS.Timeout | undefined
  const flush = (): void => {
    clearTimeout(timer)
    timer = undefined
    if (at === from) return
    const gathered = slab.subarray(from, at)
    from = at
    socket.emit('data', Buffer.from(gathered.buffer, gathered.byteOffset, gathered.length))
  }
  const arrived = (length: number, bytes: Uint8Array): boolean => {
    if (slab.length - at < length) {
      flush()
      slab = new Uint8Array(SLAB_BYTES)
      from = 0
      at = 0
    }
    slab.set(bytes.subarray(0, length), at)
    at += length
    if (length < READ_BYTES) flush()
    else timer ??= setTimeout(flush, GATHER_MS).unref()
    return true
  }
  const onread = { buffer: new Uint8Array(READ_BYTES), callback: arrived }
  // Node's types do not know `handle`, which is how its own servers make sockets, nor `onread` here.
  const options: net.SocketConstructorOpts = { allowHalfOpen: true, readable: true, writable: true }
  const socket = new net.Socket(Object.assign(options, { handle, onread }))
  socket.on('end', flush)
  socket.on('close', () => clearTimeout(timer))
  return socket
}
