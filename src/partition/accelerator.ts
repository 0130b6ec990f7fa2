import { spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'

/** How QEMU runs the guest's instructions. */
export interface Accelerator {
  /** `kvm`: the processor runs them. `tcg`: QEMU translates them, some ten times slower. */
  readonly name: 'kvm' | 'tcg'
  /** Why, one sentence for the operator. */
  readonly reason: string
}

export interface AcceleratorProbeOptions {
  /** Default `qemu-system-x86_64`. */
  readonly qemu?: string
  /** How long the trial may take, `ms`. Default 5000: with a working KVM it takes well under one second. */
  readonly trialMs?: number
}

/** Finds out what this machine can do, by trying, once: keep one probe for as long as the answer should hold. */
export class AcceleratorProbe {
  readonly #qemu: string
  readonly #trialMs: number
  #answer: Promise<Accelerator> | undefined

  constructor(options: AcceleratorProbeOptions = {}) {
    this.#qemu = options.qemu ?? 'qemu-system-x86_64'
    this.#trialMs = options.trialMs ?? 5000
  }

  /**
   * KVM if a kernel runs under it, else emulation. `/dev/kvm` alone proves nothing: it can refuse a register, or accept
   * everything and then run nothing.
   *
   * @param kernel path of a Linux kernel to try with.
   */
  detect(kernel: string): Promise<Accelerator> {
    this.#answer ??= this.#detect(kernel)
    return this.#answer
  }

  async #detect(kernel: string): Promise<Accelerator> {
    try {
      await access('/dev/kvm', constants.R_OK | constants.W_OK)
    } catch (thrown) {
      const code = (thrown as NodeJS.ErrnoException).code
      const why = code === 'ENOENT' ? 'there is no /dev/kvm' : `/dev/kvm cannot be opened (${code ?? 'unknown'})`
      return { name: 'tcg', reason: `Emulated, because ${why}.` }
    }
    const refusal = await this.#try(kernel)
    if (refusal === undefined) return { name: 'kvm', reason: 'A kernel ran under KVM.' }
    return { name: 'tcg', reason: `Emulated, because KVM is there and does not work: ${refusal}.` }
  }

  /** Boots the kernel without a root: it must get as far as its panic, which resets the machine and so ends QEMU with 0. */
  #try(kernel: string): Promise<string | undefined> {
    return new Promise((resolve) => {
      const machine = ['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-M', 'q35', '-m', '128']
      const child = spawn(
        this.#qemu,
        [...machine, '-accel', 'kvm', '-cpu', 'host', '-kernel', kernel, '-append', 'panic=-1 quiet'],
        {
          stdio: ['ignore', 'ignore', 'pipe'],
          timeout: this.#trialMs,
          killSignal: 'SIGKILL',
        },
      )
      let lastWords = ''
      child.stderr.setEncoding('utf8').on('data', (text: string) => (lastWords = (lastWords + text).slice(-300)))
      child.on('error', (error) => resolve(error.message))
      child.on('close', (code, signal) => {
        if (code === 0) resolve(undefined)
        else if (signal === 'SIGKILL') resolve(`a kernel did not get through its boot within ${this.#trialMs} ms`)
        else resolve(firstError(lastWords) ?? `QEMU ended with ${code ?? signal}`)
      })
    })
  }
}

/** The first line of what QEMU said that is no warning, without its own name. */
function firstError(text: string): string | undefined {
  const line = text.split('\n').find((candidate) => candidate.trim() !== '' && !candidate.includes('warning:'))
  return line?.replace(/^\S*qemu\S*: (?:error: )?/, '').replace(/\.$/, '')
}
