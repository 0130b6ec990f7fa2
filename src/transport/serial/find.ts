import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BusbarError } from '../../errors/index.ts'
import { systemCode } from '../socket/reason.ts'

/** Where Linux lists virtio-serial ports, each with its `name`. Fixed by the kernel (`drivers/char/virtio_console.c`). */
const SYSFS = '/sys/class/virtio-ports'
/** A port's directory in sysfs, and its device in `/dev`: controller and port number. Fixed by the kernel. */
const PORT = /^vport\d+p\d+$/
/** Longest port name that is looked at, `bytes`: QEMU's own limit is far below (our choice). */
const MAX_NAME = 255

export interface FindOptions {
  /** Directory to look in. Default `/sys/class/virtio-ports`. */
  readonly sysfs?: string
  /** Directory of the devices. Default `/dev`. */
  readonly dev?: string
}

/**
 * The device path of the virtio-serial port that the host named `name`. Needs no udev. Rejects with `UNAVAILABLE` when this machine has no
 * such port.
 */
export async function findSerialPort(name: string, options: FindOptions = {}): Promise<string> {
  const sysfs = options.sysfs ?? SYSFS
  const found: string[] = []
  for (const entry of await entries(sysfs)) {
    if (!PORT.test(entry)) continue
    const text = await readFile(join(sysfs, entry, 'name'), 'latin1').catch(() => '')
    const port = text.slice(0, MAX_NAME).trim()
    if (port === '') continue
    if (port === name) return join(options.dev ?? '/dev', entry)
    found.push(port)
  }
  const there = found.length === 0 ? 'it has none' : `it has ${found.toSorted().join(', ')}`
  throw new BusbarError('UNAVAILABLE', `this machine has no virtio-serial port named ${name}: ${there}`, {
    stage: 'open',
    hints: [
      `Start the VM with -device virtserialport,chardev=...,name=${name}.`,
      'Load the kernel module virtio_console in the guest.',
    ],
  })
}

async function entries(sysfs: string): Promise<string[]> {
  try {
    return (await readdir(sysfs)).toSorted()
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return []
    throw new BusbarError('UNAVAILABLE', `${sysfs} cannot be read`, { cause: thrown, stage: 'open' })
  }
}
