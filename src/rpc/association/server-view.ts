/** What a server shows of itself. */
export interface RpcServerView {
  readonly state: 'unbound' | 'bound' | 'closed'
  readonly group: number
  readonly fragment: number
  readonly multiplexed: boolean
  readonly contexts: readonly { readonly id: number; readonly interface: string }[]
  readonly calls: { readonly running: number; readonly taken: number; readonly refused: number }
  /** `bytes`; `reassembly` is what requests that came in fragments hold until they are answered, on all links of the caller. */
  readonly memory: { readonly unsent: number; readonly partial: number; readonly reassembly: number }
}
