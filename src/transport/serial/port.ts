import { BusbarError } from '../../errors/index.ts'
import { type ByteLink, Closing, type Env, type Timer } from '../../link/index.ts'
import { SERIAL_LIMITS, type SerialLimits } from '../limits.ts'
import { SerialDecoder } from './decoder.ts'
import { Resync } from './resync.ts'
import { SerialSession, type SessionCarrier } from './session.ts'
import { encodeHello, type Hello } from './wire.ts'

export interface SerialPortOptions {
  readonly env: Env
  readonly limits?: Partial<SerialLimits>
  /**
   * Opens the port again when it ended or broke; without it the port is closed then. `silent` counts the attempts since a byte came last.
   * What it rejects with closes the port.
   */
  readonly reopen?: (silent: number) => Promise<ByteLink>
}

interface Waiter {
  resolve(session: SerialSession): void
  reject(reason: BusbarError): void
}

/**
 * A serial port as a series of sessions. A port has no connection and keeps stale bytes; both sides resynchronise before each session, and
 * nothing of one session reaches the next. One session lives at a time: when it is over the port seeks the next one by itself.
 */
export class SerialPort {
  #raw: ByteLink
  readonly #reopen: ((silent: number) => Promise<ByteLink>) | undefined
  readonly #env: Env
  readonly #limits: SerialLimits
  readonly #resync: Resync
  readonly #decoder: SerialDecoder
  readonly #closing = new Closing()
  readonly #carrier: SessionCarrier
  #session: SerialSession | undefined
  /** A session that nobody has accepted yet. */
  #offered: SerialSession | undefined
  #waiters: Waiter[] = []
  #room: Promise<void> | undefined
  #silent = 0
  #helloDue = false
  /** Whether frames were sent in this session. */
  #used = false
  #retry: Timer | undefined
  #resume: (() => void) | undefined

  /** Takes the raw stream of the port's bytes: closing the port closes it. */
  constructor(raw: ByteLink, options: SerialPortOptions) {
    this.#raw = raw
    this.#reopen = options.reopen
    this.#env = options.env
    this.#limits = { ...SERIAL_LIMITS, ...options.limits }
    this.#resync = new Resync((into) => options.env.random(into))
    this.#decoder = new SerialDecoder({
      hello: (hello, whole) => this.#heardHello(hello, whole),
      data: (bytes) => this.#session?.arrived(bytes),
      end: () => this.#session?.arrivedEnd(),
      close: (code) => this.#heardClose(code),
      broken: (found) => this.#renew(new BusbarError('MALFORMED', `serial port: ${found}`)),
    })
    this.#carrier = this.#carry()
    this.#seek()
    void this.#run()
  }

  /** Settles when the port itself is gone: the reason, never `undefined`, as a port has no end. */
  get closed(): Promise<BusbarError | undefined> {
    return this.#closing.closed
  }

  /**
   * The next session, when both sides have agreed on it. A session that began and was lost before anybody accepted it is not given. Rejects
   * with the reason when the port itself is gone.
   */
  accept(): Promise<SerialSession> {
    const offered = this.#offered
    if (offered !== undefined) {
      this.#offered = undefined
      return Promise.resolve(offered)
    }
    return new Promise((resolve, reject) => {
      if (!this.#closing.over) this.#waiters.push({ resolve, reject })
      else void this.#closing.closed.then((reason) => reject(reason ?? new BusbarError('CLOSED', 'the port is closed')))
    })
  }

  /** Closes the port: the session and whoever waits for one reject with `reason` (default `CLOSED`). Idempotent. */
  close(reason: BusbarError = new BusbarError('CLOSED', 'the port was closed by this side')): void {
    if (!this.#closing.settle(reason)) return
    this.#retry?.cancel()
    this.#session?.lost(reason)
    this.#session = undefined
    this.#offered = undefined
    for (const waiter of this.#waiters.splice(0)) waiter.reject(reason)
    this.#raw.close(reason)
    this.#resume?.()
  }

  #carry(): SessionCarrier {
    const blocked = (): boolean => this.#room !== undefined
    return {
      join: this.#limits.join,
      get blocked(): boolean {
        return blocked()
      },
      write: (pieces) => this.#write(pieces),
      consumed: () => this.#resume?.(),
      over: (session) => {
        if (session === this.#session) this.#renew()
      },
    }
  }

  async #run(): Promise<void> {
    for (;;) {
      const reason = await this.#receive()
      if (this.#closing.over) return
      if (this.#reopen === undefined) return this.close(reason)
      this.#raw.close(reason)
      this.#renew(reason)
      this.#retry?.cancel()
      try {
        this.#open(await this.#reopen(this.#silent++))
      } catch (thrown) {
        return this.close(BusbarError.from(thrown))
      }
    }
  }

  #open(raw: ByteLink): void {
    if (this.#closing.over) return raw.close()
    this.#raw = raw
    // What waited for room on the old stream waits for nothing now.
    this.#room = undefined
    this.#decoder.restart()
    this.#seek()
  }

  /** Takes what arrives until the port ends or breaks; gives the reason. */
  async #receive(): Promise<BusbarError> {
    const raw = this.#raw
    try {
      while (!this.#closing.over) {
        let chunk = raw.read()
        if (chunk instanceof Promise) chunk = await chunk
        if (chunk === undefined) break
        this.#silent = 0
        this.#decoder.push(chunk)
        this.#sayHello()
        if ((this.#session?.unread ?? 0) >= this.#limits.unread) await this.#consumption()
      }
      return new BusbarError('LINK_LOST', 'the serial port ended: nobody is on its other side')
    } catch (thrown) {
      return BusbarError.from(thrown)
    }
  }

  /** Waits until the reader of the session has taken some, or the session is over. */
  #consumption(): Promise<void> {
    return new Promise((resolve) => {
      this.#resume = () => {
        if ((this.#session?.unread ?? 0) >= this.#limits.unread) return
        this.#resume = undefined
        resolve()
      }
    })
  }

  #heardHello(hello: Hello, whole: boolean): void {
    const step = this.#resync.heard(hello, whole)
    if (step.lost) this.#lose(new BusbarError('LINK_LOST', 'the other side of the serial port began anew'))
    else if (step.send) this.#helloDue = true
    if (step.up) this.#begin()
  }

  #heardClose(code: number): void {
    this.#session?.arrivedClose(code)
    this.#renew()
  }

  #begin(): void {
    this.#retry?.cancel()
    this.#decoder.open()
    this.#used = false
    const session = new SerialSession(this.#resync.epoch, this.#carrier)
    this.#session = session
    const waiter = this.#waiters.shift()
    if (waiter === undefined) this.#offered = session
    else waiter.resolve(session)
  }

  /** The other side is in a new attempt already, and `resync` with it. */
  #lose(reason: BusbarError): void {
    const session = this.#session
    this.#session = undefined
    if (this.#offered === session) this.#offered = undefined
    this.#decoder.shut()
    session?.lost(reason)
    this.#resume?.()
    this.#seek()
  }

  /** This side gives the session up and begins a new attempt. */
  #renew(reason: BusbarError = new BusbarError('LINK_LOST', 'the session on the serial port is over')): void {
    this.#resync.renew()
    this.#lose(reason)
  }

  /** Says HELLO now and again until a session has begun. */
  #seek(): void {
    if (this.#closing.over) return
    this.#retry?.cancel()
    this.#retry = this.#env.timer(this.#limits.retryMs, () => this.#seek())
    this.#helloDue = true
    this.#sayHello()
  }

  /** At most one HELLO waits for room: it is always the newest. */
  #sayHello(): void {
    if (!this.#helloDue || this.#room !== undefined || this.#closing.over) return
    this.#helloDue = false
    this.#writeRaw(encodeHello(this.#resync.current(this.#used)))
  }

  #write(pieces: readonly Uint8Array[]): void {
    if (this.#closing.over) return
    // A session's frames follow the HELLO that begins it, even for a writer who does not wait for room.
    if (this.#helloDue) {
      this.#helloDue = false
      this.#writeRaw(encodeHello(this.#resync.current(this.#used)))
    }
    this.#used = true
    for (const piece of pieces) this.#writeRaw(piece)
  }

  #writeRaw(bytes: Uint8Array): void {
    const room = this.#raw.write(bytes)
    if (!(room instanceof Promise)) return
    this.#room = room
    room.then(
      () => {
        if (this.#room !== room) return
        this.#room = undefined
        this.#sayHello()
        if (this.#room === undefined) this.#session?.room()
      },
      // Reading finds the same and decides what to do.
      () => {},
    )
  }
}
