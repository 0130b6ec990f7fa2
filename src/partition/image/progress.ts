/** One step of work that takes a while, told as it advances. */
export interface Progress {
  /** What is being done, in a few words, for a person. */
  readonly step: string
  /** How far it is, in `unit`. */
  readonly done: number
  /** How far it goes, in `unit`; 0 when that is not known. */
  readonly total: number
  readonly unit: 'bytes' | 'steps'
}

export type OnProgress = (progress: Progress) => void
