import { type Contract, contract, method, t } from '../rpc/index.ts'

const { idl } = t

export const File: Contract = contract(
  'files.File',
  { version: '1.0' },
  { read: method({ offset: t.uint53, length: t.uint32 }, t.bytes), close: method({}, t.void) },
)

const Shape = t.union('kind', { circle: { r: t.float64 }, dot: {}, 'a b': { s: t.string } })

/** Every type of `t`, as a parameter, in a struct, behind a pointer and in an array. */
export const FileStore: Contract = contract(
  'files.FileStore',
  { version: '1.0' },
  {
    stat: method({ path: t.string }, t.struct({ size: t.uint53, modified: t.date })),
    open: method({ path: t.string, in: t.optional(t.enumeration('read', 'read write', 'for')) }, t.ref(File)),
    list: method({ path: t.string }, t.stream(t.struct({ name: t.string, size: t.optional(t.uint53) }))),
    scalars: method(
      { b: t.bool, i: t.int8, s: t.int16, l: t.int32, h: t.int64, f: t.float32, d: t.float64, g: t.guid },
      t.struct({ b: t.uint8, s: t.uint16, l: t.uint32, h: t.uint64 }),
    ),
    nested: method(
      { names: t.array(t.string), map: t.map(t.string, t.array(t.bytes)), json: t.json, shape: Shape },
      t.struct({
        files: t.array(t.optional(t.ref(File))),
        text: t.string,
        perhaps: t.optional(t.string),
        deep: t.optional(t.struct({ bytes: t.array(t.uint8), lists: t.array(t.array(t.string)), shape: Shape })),
      }),
    ),
    perhaps: method({ text: t.optional(t.string), shape: t.optional(Shape) }, t.optional(t.struct({ a: t.uint8 }))),
    text: method({}, t.string),
    file: method({}, t.optional(t.ref(File))),
    names: method({}, t.array(t.string)),
    struct: method({}, Shape),
  },
)

/** Every type of `t.idl`. */
export const ByHand: Contract = contract(
  'hand.Made',
  { version: '1.2', uuid: '5b1c1f0e-8a77-4f37-9a3d-2f5f4f6d1c01' },
  {
    addOne: method({ in_data: t.uint32 }, idl.out({ out_data: t.uint32 })),
    echo: method(
      { length: t.uint32, sent: idl.bytes({ size: 'length' }) },
      idl.out({ received: idl.bytes({ size: 'length' }), free: idl.bytes({ size: true }) }, t.uint32),
    ),
    open: method({ name: idl.string8, tries: idl.range(t.uint32, 0, 10) }, idl.out({ handle: idl.handle }, idl.status)),
    use: method(
      {
        handle: idl.handle,
        choice: idl.enumeration({ a: 1, b: 5 }, 32),
        fixed: idl.array(t.uint16, { fixed: 3 }),
        varying: idl.array(t.uint16, { fixed: 5, length: 'n' }),
        n: t.uint16,
        most: t.uint32,
        both: idl.array(t.int32, { size: 'most / 2', length: 'n' }),
        told: idl.union(t.uint16, { 1: t.uint32, 2: t.string, 3: t.void }, { switchIs: 'n', fallback: t.void }),
        tells: idl.union(t.int32, { 1: t.uint32, [-2]: t.struct({ x: t.string }) }),
        open: t.struct({ n: t.uint32, items: idl.array(t.uint32, { size: 'n' }) }),
        plain: idl.ref(t.uint32),
        pointers: idl.box(idl.box(t.uint32)),
        text: idl.box(t.string),
        char: idl.char,
        unit: idl.wchar,
        name: idl.text(16, { fixed: 4 }),
      },
      idl.out({ handle: idl.handle, pointer: idl.box(t.uint32), said: idl.string(16, { size: true, length: true }) }),
    ),
  },
)
