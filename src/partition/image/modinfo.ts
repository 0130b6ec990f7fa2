import { BusbarError } from '../../errors/index.ts'

/** What a kernel module says of itself. */
export interface ModuleInfo {
  readonly name: string
  /** Names of the modules that must be loaded first. */
  readonly depends: readonly string[]
}

/** Offsets in an ELF64 little-endian file (fixed by the format, elf(5)). */
const ELF = { headerSize: 64, sectionTable: 0x28, entrySize: 0x3a, entryCount: 0x3c, nameSection: 0x3e }
const SECTION = { size: 64, name: 0, offset: 0x18, length: 0x20 }

/** Kernel module names are the file name with `-` turned into `_`. */
export function moduleName(path: string): string {
  const file = path.slice(path.lastIndexOf('/') + 1)
  return file.replace(/\.ko$/, '').replaceAll('-', '_')
}

/**
 * Reads the `.modinfo` section of an uncompressed `.ko` file. Debian ships no `modules.dep` inside the package (it is made at
 * install time), so the modules themselves are asked.
 *
 * @throws BusbarError `IMAGE_FAILED` when the bytes are not an ELF64 module.
 */
export function readModuleInfo(path: string, bytes: Uint8Array): ModuleInfo {
  const section = findModinfo(path, bytes)
  const fields = new TextDecoder().decode(section).split('\0')
  const depends = fields.find((field) => field.startsWith('depends='))?.slice('depends='.length) ?? ''
  return {
    name: moduleName(path),
    depends: depends
      .split(',')
      .filter((name) => name !== '')
      .map(moduleName),
  }
}

function findModinfo(path: string, bytes: Uint8Array): Uint8Array {
  const broken = (why: string): BusbarError =>
    new BusbarError('IMAGE_FAILED', `${path} is not a kernel module that can be read: ${why}.`, { stage: 'modules' })
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.byteLength < ELF.headerSize || view.getUint32(0) !== 0x7f454c46) throw broken('no ELF header')
  const table = Number(view.getBigUint64(ELF.sectionTable, true))
  const count = view.getUint16(ELF.entryCount, true)
  const nameIndex = view.getUint16(ELF.nameSection, true)
  if (view.getUint16(ELF.entrySize, true) !== SECTION.size || nameIndex >= count) throw broken('odd section table')
  if (table + count * SECTION.size > bytes.byteLength) throw broken('the section table lies outside the file')
  const contents = (index: number): Uint8Array => {
    const at = table + index * SECTION.size
    const offset = Number(view.getBigUint64(at + SECTION.offset, true))
    const length = Number(view.getBigUint64(at + SECTION.length, true))
    if (offset + length > bytes.byteLength) throw broken('a section lies outside the file')
    return bytes.subarray(offset, offset + length)
  }
  const names = new TextDecoder('latin1').decode(contents(nameIndex))
  for (let index = 0; index < count; index += 1) {
    const at = view.getUint32(table + index * SECTION.size + SECTION.name, true)
    if (names.startsWith('.modinfo\0', at)) return contents(index)
  }
  throw broken('no .modinfo section')
}
