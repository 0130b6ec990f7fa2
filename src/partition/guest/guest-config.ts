/** A program that the agent starts in the guest, as the unprivileged user `program` (uid 1000). */
export interface GuestProgram {
  readonly name: string
  /** Path in the guest, or a name on its `PATH`. */
  readonly command: string
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Default: the user's home, `/home/program`. */
  readonly cwd?: string
}

/** `/etc/busbar/guest.json`: what the host tells the guest agent. */
export interface GuestConfig {
  /** The partition's name. */
  readonly partition: string
  /** The bus port: a character device. */
  readonly port: string
  /** Where the agent listens for the guest's programs. */
  readonly socket: string
  /** Who the programs run as. */
  readonly user: { readonly name: string; readonly uid: number; readonly gid: number; readonly home: string }
  readonly programs: readonly GuestProgram[]
  /** Disks that are mounted already. */
  readonly mounts: readonly { readonly target: string; readonly readOnly: boolean }[]
  /** How many regions of memory it shares with other machines: the devices are found by their numbers. */
  readonly regions: number
  /** Whatever else the launcher wants the agent to know; the partition layer does not look into it. */
  readonly settings: Readonly<Record<string, unknown>>
}

/** Names that host and guest agree on. */
export const GUEST: Readonly<
  Record<'portName' | 'powerPortName' | 'configPath' | 'agentSocket' | 'agentEntry', string>
> = {
  portName: 'org.busbar.0',
  powerPortName: 'org.busbar.power',
  configPath: '/etc/busbar/guest.json',
  agentSocket: '/run/busbar/agent.sock',
  agentEntry: '/usr/lib/busbar/dist/agent/guest-main.js',
}
