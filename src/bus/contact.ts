/** Versions of the control protocol that this build speaks. */
export const OLDEST_VERSION = 1
export const NEWEST_VERSION = 1

/** Feature bits; both sides must set a bit for it to hold. */
export const FEATURES = {
  /** Channels may go over to rings: the partition is a process of the host, and both have what that takes. */
  RINGS: 1,
  /** Channels may go over to rings in memory that machines share: the partition has such memory. */
  PLACES: 2,
  /** The partition answers `ping`. */
  PING: 4,
} as const

/** The newest version both ranges hold; 0 when they share none. */
export function chooseVersion(oldest: number, newest: number): number {
  const version = Math.min(newest, NEWEST_VERSION)
  return version >= Math.max(oldest, OLDEST_VERSION) ? version : 0
}
