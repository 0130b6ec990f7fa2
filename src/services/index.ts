/** Ready components for common resources. */
export { File, FileStore } from './files/contract.ts'
export { DiskFileStore } from './files/disk-file-store.ts'
export { HOST_PARTITION, Operator } from './operator.ts'
