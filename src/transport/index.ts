/** Real media: Unix socket, virtio-serial port, hybrid vsock, AF_VSOCK, shared memory. */
export { nodeEnv } from './env.ts'
export { connectHybridVsock, type HybridConnectOptions } from './hybrid/connect.ts'
export { listenHybridVsock } from './hybrid/listen.ts'
export { HYBRID_LIMITS, maxSocketPath, TRANSPORT_LIMITS, type TransportLimits } from './limits.ts'
export { type ConnectOptions, connectUnix } from './socket/connect.ts'
export { fdLink, socketLink } from './socket/link.ts'
export { type ListenOptions, listenUnix, type UnixListener } from './socket/listen.ts'
