import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BusbarError } from '../../errors/index.ts'
import { moduleName, readModuleInfo } from './modinfo.ts'
import { moduleOrder } from './module-order.ts'

const failure = (error: unknown): boolean => error instanceof BusbarError && error.code === 'IMAGE_FAILED'

/** A minimal ELF64 file with sections `.modinfo` and `.shstrtab`. */
function elfModule(modinfo: string): Buffer {
  const names = Buffer.from('\0.modinfo\0.shstrtab\0')
  const content = Buffer.from(modinfo)
  const table = 64 + content.length + names.length
  const file = Buffer.alloc(table + 3 * 64)
  file.writeUInt32BE(0x7f454c46, 0)
  file.writeBigUInt64LE(BigInt(table), 0x28)
  file.writeUInt16LE(64, 0x3a)
  file.writeUInt16LE(3, 0x3c)
  file.writeUInt16LE(2, 0x3e)
  content.copy(file, 64)
  names.copy(file, 64 + content.length)
  const section = (index: number, name: number, offset: number, length: number): void => {
    const at = table + index * 64
    file.writeUInt32LE(name, at)
    file.writeBigUInt64LE(BigInt(offset), at + 0x18)
    file.writeBigUInt64LE(BigInt(length), at + 0x20)
  }
  section(1, 1, 64, content.length)
  section(2, 10, 64 + content.length, names.length)
  return file
}

describe('what a kernel module says of itself', () => {
  it('names the modules it needs', () => {
    const bytes = elfModule('license=GPL\0depends=virtio,virtio-ring\0name=virtio_blk\0')
    assert.deepEqual(readModuleInfo('kernel/drivers/block/virtio_blk.ko', bytes), {
      name: 'virtio_blk',
      depends: ['virtio', 'virtio_ring'],
    })
    assert.deepEqual(readModuleInfo('a.ko', elfModule('depends=\0')).depends, [])
  })

  it('takes its name from its file, with underscores', () => {
    assert.equal(moduleName('kernel/arch/x86/events/intel/intel-uncore.ko'), 'intel_uncore')
  })

  it('refuses what is no module, wherever it is cut', () => {
    const bytes = elfModule('depends=virtio\0')
    for (let length = 0; length < bytes.length; length += 1) {
      assert.throws(() => readModuleInfo('cut.ko', bytes.subarray(0, length)), failure)
    }
    assert.throws(() => readModuleInfo('text.ko', Buffer.alloc(100)), failure)
  })
})

describe('the order of modules', () => {
  const index = (depends: Record<string, string[]>, builtin: string[] = []): Parameters<typeof moduleOrder>[1] => ({
    builtin: new Set(builtin),
    depends: (name) => depends[name],
  })

  it('puts what is needed first, each once, without what is built in', () => {
    const depends = { pci: ['ring', 'core', 'bus'], core: ['ring'], ring: [], blk: ['core', 'ring'] }
    assert.deepEqual(moduleOrder(['pci', 'blk'], index(depends, ['bus'])), ['ring', 'core', 'pci', 'blk'])
    assert.deepEqual(moduleOrder(['ext4'], index({}, ['ext4'])), [])
  })

  it('refuses missing modules, naming who needs them, and circles', () => {
    assert.throws(() => moduleOrder(['pci'], index({ pci: ['ring'] })), /ring, which pci needs/)
    assert.throws(() => moduleOrder(['a'], index({ a: ['b'], b: ['a'] })), failure)
  })
})
