/** The limits of a configuration file. All are our choice; a file over one is refused with its place and the limit. */
export interface ConfigLimits {
  /** Longest file in UTF-16 units, checked before parsing: room for some 3,000 rules, and at most seconds of work. */
  readonly text: number
  /** Deepest nesting, in collections; a real file needs 6. The YAML composer recurses, so this guards the stack. */
  readonly depth: number
  /** Most entries in one list or mapping: more than any real list of arguments or files. */
  readonly entries: number
  /** Longest single text in UTF-16 units: the longest path of Linux (PATH_MAX, 4096). */
  readonly scalar: number
  /** Most partitions: more virtual machines than one computer runs. */
  readonly partitions: number
  /** Most rules: each is compared with each other by the check for rules that never decide. */
  readonly rules: number
  /** Most other machines that one machine shares memory with: each is a PCI device of it, as is the memory that it shares with the bus. */
  readonly direct: number
  /** Most problems reported from one file: nobody reads further, and the rest is counted. */
  readonly problems: number
}

export const CONFIG_LIMITS: ConfigLimits = {
  text: 262_144,
  depth: 16,
  entries: 2_000,
  scalar: 4_096,
  partitions: 256,
  rules: 1_000,
  direct: 63,
  problems: 50,
}

/** Most (caller, target) pairs that a policy keeps an index for: every pair of 64 partitions. Our choice; beyond it, rules are scanned. */
export const MAX_INDEXED_PAIRS = 4_096
