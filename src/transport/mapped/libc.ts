import { closeSync, constants } from 'node:fs'
import { endianness } from 'node:os'
import type * as Koffi from 'koffi'
import { BusbarError } from '../../errors/index.ts'

/** A mapping: the memory, and how to give it back. */
export interface Mapping {
  readonly bytes: Uint8Array
  /**
   * Gives the memory back; the peer's mapping is not touched. Whoever still looks at `bytes` sees zeros then, and the addresses go when nobody
   * does. Idempotent.
   */
  release(): void
}

/** What Node cannot ask of the kernel, and this layer needs. All throw `UNAVAILABLE`. */
export interface Libc {
  /** A descriptor of `length` zero bytes of memory, whose length nobody can change any more. */
  memory(length: number): number
  /** Whether the length of that memory is fixed: who could shorten it could end this process with SIGBUS. */
  isFixed(fd: number): boolean
  /** A pipe, neither end of which blocks: the end to read and the end to write. */
  pipe(): readonly [read: number, write: number]
  /** Maps `length` bytes of a descriptor, shared, from `offset` on, which is a whole number of pages. It may be closed afterwards. */
  map(fd: number, length: number, offset?: number): Mapping
  /** Lets others have the processor that wait for it. With `stay` the system moves this thread to no other one meanwhile. */
  giveWay(stay: boolean): void
  /** Goes on on another processor, if this thread may use another one. */
  moveAway(): void
}

/** Numbers of Linux (`include/uapi/linux/memfd.h`, `fcntl.h`, `asm-generic/mman-common.h`), the same on x86-64 and arm64. */
const MFD_CLOEXEC = 1
const MFD_ALLOW_SEALING = 2
const F_ADD_SEALS = 1033
const F_GET_SEALS = 1034
const SEAL_SEAL = 1
const SEAL_SHRINK = 2
const SEAL_GROW = 4
const O_CLOEXEC = 0o2000000
const PROT_READ_WRITE = 3
const MAP_SHARED = 1
const MAP_PRIVATE = 2
const MAP_FIXED = 0x10
const MAP_ANONYMOUS = 0x20
const MAP_NORESERVE = 0x4000
/** Bytes of the set of processors of a thread, a bit for each (glibc `cpu_set_t`). */
const CPU_SET_BYTES = 128

type Pointer = unknown

/** Loads koffi, an optional dependency, and finds the functions. Rejects with `UNAVAILABLE` where there is no koffi, or no Linux. */
export async function loadLibc(): Promise<Libc> {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch) || endianness() !== 'LE') {
    throw new BusbarError(
      'UNAVAILABLE',
      `rings need Linux on x86-64 or arm64, this is ${process.platform} ${process.arch}`,
    )
  }
  try {
    return bind(await import('koffi'))
  } catch (thrown) {
    throw new BusbarError('UNAVAILABLE', 'rings need the optional package koffi, which could not be loaded', {
      cause: thrown,
      hints: ['npm install koffi'],
    })
  }
}

function bind(koffi: typeof Koffi): Libc {
  const libc = koffi.load(null)
  const memfdCreate = libc.func('int memfd_create(const char *name, uint flags)') as (
    name: string,
    flags: number,
  ) => number
  const fcntl = libc.func('int fcntl(int fd, int command, ...)') as (
    fd: number,
    command: number,
    ...rest: unknown[]
  ) => number
  const ftruncate = libc.func('int ftruncate(int fd, int64 length)') as (fd: number, length: number) => number
  const pipe2 = libc.func('int pipe2(_Out_ int *ends, int flags)') as (ends: number[], flags: number) => number
  const mmap = libc.func('void *mmap(void *at, size_t length, int protection, int flags, int fd, int64 offset)') as (
    at: Pointer,
    length: number,
    protection: number,
    flags: number,
    fd: number,
    offset: number,
  ) => Pointer
  const schedYield = libc.func('int sched_yield()') as () => number
  const getCpu = libc.func('int sched_getcpu()') as () => number
  type Affinity = (thread: number, length: number, cpus: Uint8Array) => number
  const getAffinity = libc.func('int sched_getaffinity(int thread, size_t length, uint8_t *cpus)') as Affinity
  const setAffinity = libc.func('int sched_setaffinity(int thread, size_t length, uint8_t *cpus)') as Affinity
  const munmap = libc.func('int munmap(void *at, size_t length)') as (at: Pointer, length: number) => number
  const checked = <T extends number>(result: T, what: string): T => {
    if (result >= 0) return result
    throw new BusbarError('UNAVAILABLE', `${what} failed: error ${koffi.errno()} of the system`)
  }
  const addressOf = (pointer: Pointer): bigint => BigInt.asIntN(64, koffi.address(pointer))
  const collected = new FinalizationRegistry<{ at: Pointer; length: number }>(({ at, length }) => munmap(at, length))

  // Made once: so small a time goes by in a turn that making them was a part of it.
  const all = new Uint8Array(CPU_SET_BYTES)
  const some = new Uint8Array(CPU_SET_BYTES)

  return {
    memory(length) {
      const fd = checked(memfdCreate('busbar-rings', MFD_CLOEXEC | MFD_ALLOW_SEALING), 'memfd_create')
      try {
        checked(ftruncate(fd, length), 'ftruncate')
        checked(fcntl(fd, F_ADD_SEALS, 'int', SEAL_SEAL | SEAL_SHRINK | SEAL_GROW), 'sealing memory')
        return fd
      } catch (thrown) {
        closeSync(fd)
        throw thrown
      }
    },
    isFixed: (fd) => {
      const seals = fcntl(fd, F_GET_SEALS)
      return seals >= 0 && (seals & SEAL_SHRINK) !== 0
    },
    pipe() {
      const ends = [-1, -1]
      checked(pipe2(ends, O_CLOEXEC | constants.O_NONBLOCK), 'pipe2')
      return [ends[0] as number, ends[1] as number]
    },
    giveWay(stay) {
      const cpu = stay ? getCpu() : -1
      if (cpu < 0 || getAffinity(0, CPU_SET_BYTES, all) < 0) {
        schedYield()
        return
      }
      some.fill(0)
      some[cpu >> 3] = 1 << (cpu & 7)
      setAffinity(0, CPU_SET_BYTES, some)
      schedYield()
      // Before anything else runs in this thread: a process or thread that it starts inherits what it may use.
      setAffinity(0, CPU_SET_BYTES, all)
    },
    moveAway() {
      const cpu = getCpu()
      if (cpu < 0 || getAffinity(0, CPU_SET_BYTES, all) < 0) return
      some.set(all)
      some[cpu >> 3] = (some[cpu >> 3] as number) & ~(1 << (cpu & 7))
      if (some.every((bits) => bits === 0)) return
      // It may use all of them again at once: where it is now it stays for the time being.
      setAffinity(0, CPU_SET_BYTES, some)
      setAffinity(0, CPU_SET_BYTES, all)
    },
    map(fd, length, offset = 0) {
      const at = mmap(null, length, PROT_READ_WRITE, MAP_SHARED, fd, offset)
      if (addressOf(at) === -1n)
        throw new BusbarError('UNAVAILABLE', `mmap failed: error ${koffi.errno()} of the system`)
      const buffer = koffi.view(at, length)
      collected.register(buffer, { at, length })
      let mapped = true
      return {
        bytes: new Uint8Array(buffer),
        release() {
          if (!mapped) return
          mapped = false
          // Memory that JavaScript can still reach must not be unmapped: a touch would end the process. So private zeros take its place now,
          // and the addresses go with the last view of them.
          mmap(at, length, PROT_READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0)
        },
      }
    },
  }
}
