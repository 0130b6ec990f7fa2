import { COPY_BELOW, type Page } from '../rpc/index.ts'

/** Whether there are items in it that are better sent from where they lie: those of a stream belong to it once they were yielded. */
export function isLong({ items }: Page): boolean {
  const [first] = items
  return first instanceof Uint8Array && first.length >= COPY_BELOW
}
