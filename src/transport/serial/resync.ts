import { HELLO, type Hello, makeNonce } from './wire.ts'

/** What a heard HELLO means, to be done in this order. */
export interface Step {
  /** The session that was is lost: the other side began anew. */
  readonly lost: boolean
  /** A session has begun: its frames follow in what is received, and may be sent after the HELLO of `send`. */
  readonly up: boolean
  /** A HELLO is to be sent, as `current` gives it. */
  readonly send: boolean
}

/** What this side knows of the other. */
type State =
  /** No session; `peer` is the nonce last heard, or empty. */
  | { is: 'seeking'; peer: string }
  /** Both sides have heard each other's nonce. */
  | { is: 'up'; peer: string }

const NOTHING: Step = { lost: false, up: false, send: false }

/**
 * How two sides of a port that keeps stale bytes agree that a session has begun. Each attempt has a fresh nonce on each side, and a session
 * begins when a side hears its own current nonce back: whatever was in the port before cannot contain it.
 */
export class Resync {
  readonly #random: (into: Uint8Array) => Uint8Array
  #own: string
  #state: State = { is: 'seeking', peer: '' }

  constructor(random: (into: Uint8Array) => Uint8Array) {
    this.#random = random
    this.#own = makeNonce(random)
  }

  get up(): boolean {
    return this.#state.is === 'up'
  }

  /** The same text on both sides of a session, never used again. Empty without a session. */
  get epoch(): string {
    if (this.#state.is !== 'up') return ''
    return [this.#own, this.#state.peer].toSorted().map(hex).join('-')
  }

  /** The HELLO to send now. `used` says that frames were sent in this session. */
  current(used: boolean): Hello {
    const kind = this.#state.is === 'seeking' ? HELLO.SEEK : used ? HELLO.LATE : HELLO.ANSWER
    return { kind, nonce: this.#own, echo: this.#state.peer }
  }

  /** This side gives its session or its attempt up: a new attempt with a new nonce begins, and a HELLO is to be sent. */
  renew(peer = ''): void {
    this.#own = makeNonce(this.#random)
    this.#state = { is: 'seeking', peer }
  }

  /** `whole` says that no frame of the session was cut by this HELLO. */
  heard(hello: Hello, whole: boolean): Step {
    // A port that reflects what is written to it.
    if (hello.nonce === this.#own) return NOTHING
    if (this.#state.is === 'up') return this.#heardInSession(hello, whole, this.#state.peer)
    if (hello.echo !== this.#own) {
      this.#state = { is: 'seeking', peer: hello.nonce }
      return { lost: false, up: false, send: hello.kind === HELLO.SEEK }
    }
    if (hello.kind === HELLO.LATE) {
      // The other side has sent frames that did not arrive here.
      this.renew(hello.nonce)
      return { lost: false, up: false, send: true }
    }
    this.#state = { is: 'up', peer: hello.nonce }
    return { lost: false, up: true, send: true }
  }

  #heardInSession(hello: Hello, whole: boolean, peer: string): Step {
    if (hello.nonce === peer && whole) return { lost: false, up: false, send: hello.kind === HELLO.SEEK }
    this.renew(hello.nonce === peer ? '' : hello.nonce)
    return { lost: true, up: false, send: true }
  }
}

function hex(nonce: string): string {
  return Array.from(nonce, (char) => char.charCodeAt(0).toString(16).padStart(2, '0')).join('')
}
