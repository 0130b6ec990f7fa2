/** Ready components for common resources. */
export { File, FileStore } from './files/contract.ts'
export { DiskFileStore } from './files/disk-file-store.ts'
export { HOST_PARTITION, Operator } from './operator.ts'
export { RpcEcho, rpcEcho } from './rpc/echo.ts'
export { type EndpointEntry, endpointMap } from './rpc/endpoint-map.ts'
export { EndpointMapper, INQUIRY, NO_HANDLE, VERSIONS } from './rpc/endpoint-mapper.ts'
export { Management, management, type ManagementOptions } from './rpc/management.ts'
export { decodeTower, encodeTower, type Endpoint, type Tower } from './rpc/tower.ts'
