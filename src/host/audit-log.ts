import { createHash } from 'node:crypto'
import { closeSync, constants, fstatSync, mkdirSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { BusbarError, escapePeerText } from '../errors/index.ts'
import type { AuditRecord } from '../policy/index.ts'

/** How much an audit log keeps. Both are our choice. */
export interface AuditLimits {
  /** Largest file, `bytes`: some 25,000 decisions. */
  readonly fileBytes: number
  /** Most files, the one that is written among them. With each that is begun, the oldest goes: a caller who is refused without end cannot fill the disk. */
  readonly files: number
}

const AUDIT_LIMITS: AuditLimits = { fileBytes: 8 * 1024 ** 2, files: 4 }

/** Longest reason of a decision, in characters (our choice): a rule may list thousands of names, and its number stands beside it. */
const MAX_REASON = 1000

/**
 * A file with one JSON line for each decision, written before the decision takes effect. Older ones are beside it, as `FILE.1`, `FILE.2`. Only
 * this user can read them. What is written survives this process, though not a loss of power.
 */
export class AuditLog {
  readonly path: string
  readonly #limits: AuditLimits
  #fd: number | undefined
  #size = 0
  #sequence = 0
  #lost = 0

  private constructor(path: string, limits: AuditLimits) {
    this.path = path
    this.#limits = limits
  }

  /** Goes on behind what is there already. Throws `UNAVAILABLE` when it cannot be written. */
  static open(path: string, limits: AuditLimits = AUDIT_LIMITS): AuditLog {
    const log = new AuditLog(path, limits)
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      log.#append()
    } catch (thrown) {
      throw unwritable(path, thrown)
    }
    return log
  }

  /** Throws `UNAVAILABLE` when it cannot be written: what was decided must not take effect then. */
  record(decision: Omit<AuditRecord, 'sequence'>): void {
    const { at, caller, target, service, mode, allowed, rule = null, generation } = decision
    const reason = escapePeerText(decision.reason, MAX_REASON)
    const said = { caller, target, service, mode, allowed, rule, generation, reason }
    const line = { schemaVersion: 1, sequence: this.#sequence + 1, at: new Date(at).toISOString(), ...said }
    try {
      this.#write(Buffer.from(`${JSON.stringify(line)}\n`))
      this.#sequence++
    } catch (thrown) {
      this.#lost++
      throw unwritable(this.path, thrown)
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }

  inspect(): unknown {
    return { path: this.path, recorded: this.#sequence, lost: this.#lost }
  }

  #write(line: Uint8Array): void {
    if (this.#fd !== undefined && this.#size > 0 && this.#size + line.length > this.#limits.fileBytes) this.#rotate()
    const fd = this.#fd ?? this.#append()
    try {
      for (let done = 0; done < line.length; ) {
        const written = writeSync(fd, line, done)
        done += written
        this.#size += written
      }
    } catch (thrown) {
      // A part of the line may stand there: it is ended when the file is opened again.
      this.close()
      throw thrown
    }
  }

  #rotate(): void {
    this.close()
    const { files } = this.#limits
    const named = (age: number): string => (age === 0 ? this.path : `${this.path}.${age}`)
    rmSync(named(files - 1), { force: true })
    for (let age = files - 2; age >= 0; age--) {
      try {
        renameSync(named(age), named(age + 1))
      } catch (thrown) {
        // There have not been so many yet.
        if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown
      }
    }
  }

  /** Opens the file, never what a link of that name leads to, and ends a line that a process which died left unended. */
  #append(): number {
    const { O_APPEND, O_CREAT, O_RDWR, O_NOFOLLOW } = constants
    const fd = openSync(this.path, O_APPEND | O_CREAT | O_RDWR | O_NOFOLLOW, 0o600)
    this.#fd = fd
    this.#size = fstatSync(fd).size
    const last = new Uint8Array(1)
    if (this.#size > 0 && readSync(fd, last, 0, 1, this.#size - 1) === 1 && last[0] !== 0x0a) {
      this.#size += writeSync(fd, '\n')
    }
    return fd
  }
}

/** One for each socket, which one bus at a time listens on: so no two buses write to one file. */
export function auditFileName(socket: string, isDefault: boolean): string {
  return isDefault ? 'audit.jsonl' : `audit-${createHash('sha256').update(socket).digest('hex').slice(0, 12)}.jsonl`
}

function unwritable(path: string, cause: unknown): BusbarError {
  return new BusbarError('UNAVAILABLE', `the audit log ${path} cannot be written`, {
    stage: 'audit',
    cause,
    hints: ['What cannot be recorded is not allowed: make room there, or mend its permissions.'],
  })
}
