import { BusbarError } from '../../errors/index.ts'

/** What is known of the modules of one kernel, as far as loading order goes. */
export interface ModuleIndex {
  /** Names compiled into the kernel (`modules.builtin`). */
  readonly builtin: ReadonlySet<string>
  /** Names a module needs first. `undefined` when this kernel has no such module. */
  depends(name: string): readonly string[] | undefined
}

/**
 * Names in the order in which they must be loaded: what each of `wanted` needs first, each once, without what is built in.
 *
 * @throws BusbarError `IMAGE_FAILED` when a module is missing or modules need each other in a circle.
 */
export function moduleOrder(wanted: readonly string[], index: ModuleIndex): string[] {
  const order: string[] = []
  const visiting = new Set<string>()
  const visit = (name: string, neededBy: string | undefined): void => {
    if (index.builtin.has(name) || order.includes(name)) return
    const why = neededBy === undefined ? '' : `, which ${neededBy} needs`
    if (visiting.has(name)) throw failed(`Kernel module ${name}${why} needs itself.`)
    const depends = index.depends(name)
    if (depends === undefined) throw failed(`The kernel package has no module ${name}${why}.`)
    visiting.add(name)
    for (const other of depends) visit(other, name)
    visiting.delete(name)
    order.push(name)
  }
  for (const name of wanted) visit(name, undefined)
  return order
}

function failed(message: string): BusbarError {
  return new BusbarError('IMAGE_FAILED', message, { stage: 'modules' })
}
