import { contract, method, t } from '../../rpc/index.ts'

/** What a file or directory is. Nothing else is ever shown. */
const Entry = t.struct({ name: t.string, kind: t.enumeration('file', 'directory'), size: t.uint53, modified: t.date })

/** An open file. Releasing it closes it. */
export const File = contract(
  'busbar.File',
  { version: '1.0' },
  {
    /** Up to `length` bytes from `offset`; fewer at the end of the file, none behind it. */
    read: method({ offset: t.uint53, length: t.uint32 }, t.bytes),
    /** Everything from `offset` to the end, in chunks. */
    content: method({ offset: t.uint53 }, t.stream(t.bytes)),
    stat: method({}, Entry),
  },
)

/** A directory tree, read-only. Paths begin with `/` and never leave the tree. */
export const FileStore = contract(
  'busbar.FileStore',
  { version: '1.0' },
  {
    stat: method({ path: t.string }, Entry, { idempotent: true }),
    list: method({ path: t.string }, t.stream(Entry)),
    open: method({ path: t.string }, t.ref(File)),
  },
)
