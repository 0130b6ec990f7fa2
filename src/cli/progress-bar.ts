import type { Progress } from '../partition/index.ts'

const BAR = 24

/** `[#######-----------------]  29 %  18.9 MB of 64.0 MB  11.2 MB/s  4 s left`. Sizes in `bytes`, time in `ms`. */
export function renderProgress(done: number, total: number, elapsed: number): string {
  const share = total > 0 ? Math.min(1, done / total) : 0
  const filled = Math.round(share * BAR)
  const rate = elapsed > 0 ? done / (elapsed / 1000) : 0
  const left = rate > 0 && total > done ? `  ${Math.ceil((total - done) / rate)} s left` : ''
  const bar = '#'.repeat(filled) + '-'.repeat(BAR - filled)
  const percent = `${Math.floor(share * 100)}`.padStart(3)
  return `[${bar}] ${percent} %  ${renderBytes(done)} of ${renderBytes(total)}  ${renderBytes(rate)}/s${left}`
}

/** `downloading the kernel 3.1 MB of 27.4 MB`. */
export function renderStep({ step, done, total, unit }: Progress): string {
  const size = (count: number): string => (unit === 'bytes' ? renderBytes(count) : `${count}`)
  return `${step} ${size(done)}${total > 0 ? ` of ${size(total)}` : ''}`
}

/** `64.0 MB`: powers of 1000, as disks and networks count. */
export function renderBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}
