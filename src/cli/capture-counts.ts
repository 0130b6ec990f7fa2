import type { CaptureCounts } from '../capture/index.ts'
import { renderBytes } from './progress-bar.ts'

/** What a capture holds, as one line for a person. */
export function renderCounts({ pipes, packets, bytes, dropped, droppedBytes }: CaptureCounts): string {
  const seen = `${packets} packets with ${renderBytes(bytes)} in ${pipes} ${pipes === 1 ? 'pipe' : 'pipes'}`
  return dropped === 0 ? seen : `${seen}; ${dropped} packets with ${renderBytes(droppedBytes)} missing`
}
