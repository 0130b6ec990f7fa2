import { BusbarError, type ErrorCode } from '../../errors/index.ts'
import { openPipe, type Pipe } from '../../pipe/index.ts'
import { CountedAbort } from './counted-abort.ts'
import { PipeSide } from './pipe-side.ts'
import type { Op } from './plan.ts'
import type { Program } from './program.ts'
import type { World } from './world.ts'

/** What an opening may fail with. Anything else is a bug: the caller did nothing wrong. */
const OUTCOMES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'NO_SUCH_PARTITION',
  'NO_SUCH_SERVICE',
  'NOT_READY',
  'DENIED',
  'BUSY',
  'PEER_DIED',
  'LINK_LOST',
  'RESET',
  'STALE_EPOCH',
  'CANCELLED',
  'DEADLINE',
  'CLOSED',
])

/** What was true when the opening began. */
interface Before {
  readonly targetAttachments: number
  readonly withdrawals: number
  readonly policyChanges: number
}

/** Opens one pipe as planned, checks how that ends, and does the client's side of it. */
export async function openAsPlanned(
  world: World,
  op: Op & { kind: 'open' },
  from: Program,
  to: Program,
): Promise<void> {
  const { endpoint, node } = from
  const { report } = world
  if (endpoint === undefined) return report.note(`${node.name} has no bus to open a pipe on`)
  const service = to.service(op.mode)
  const name = `${to.partition}/${service}`
  const tainted = from.tainted || to.tainted
  const model = world.pipes.add(op.mode, endpoint.identity, name, tainted, op.client, op.server)
  const before = snapshot(world, to)
  const abort = new CountedAbort()
  let pipe: Pipe | undefined
  let settled = false
  if (op.cancelAfter !== undefined) {
    void node.sleep(op.cancelAfter).then(() => {
      if (!settled) abort.abort()
    })
  }
  try {
    const { mode, wait, deadline } = op
    const options = { mode, wait, signal: abort.signal, ...(deadline === undefined ? {} : { deadline }) }
    report.note(`pipe ${model.id}: ${node.name} opens ${name}`)
    pipe = await openPipe(endpoint, name, options)
  } catch (thrown) {
    const error = BusbarError.from(thrown)
    report.note(`pipe ${model.id}: not opened: ${error.code} ${error.message}`)
    report.check(
      tainted || OUTCOMES.has(error.code),
      'I2',
      () => `opening ${name} failed with ${error.code}: ${error.message}`,
    )
    report.check(
      error.code !== 'CANCELLED' || abort.signal.aborted || before.withdrawals < to.withdrawals || tainted,
      'I2',
      () => {
        return `opening ${name} is said to be cancelled, and nobody did: ${error.message}`
      },
    )
    report.payload(op, () => error.code)
    classify(world, error.code, before, to, from)
  } finally {
    settled = true
  }
  report.check(abort.listeners === 0, 'I9', () => `opening ${name} left ${abort.listeners} listeners on its signal`)
  if (pipe === undefined) return
  from.pipes++
  if (op.wait && before.targetAttachments < to.attachments) report.sometimes('waited for an offer, and it came')
  await new PipeSide(pipe, model, 'client', node, world).run()
  if (node === from.node) from.pipes--
  if (before.targetAttachments < to.attachments) report.sometimes('epoch replaced while a pipe was open')
  const { client, server } = model
  report.payload(op, () => [client, server].map((side) => `${side.received} ${side.atEnd}`).join(', '))
  const whole = client.atEnd && server.atEnd
  report.check(
    tainted || !whole || model.served === 1,
    'I3',
    () => `pipe ${model.id} ended in order and ${model.served} targets served it`,
  )
}

function snapshot(world: World, { attachments, withdrawals }: Program): Before {
  return { targetAttachments: attachments, withdrawals, policyChanges: world.policy.changes }
}

function classify(world: World, code: ErrorCode, before: Before, to: Program, from: Program): void {
  const { report } = world
  if (code === 'CANCELLED') report.sometimes('open cancelled')
  if (code === 'NOT_READY') report.sometimes('opened to a partition that is not attached')
  if (code === 'BUSY') report.sometimes('too many channels')
  if (before.targetAttachments < to.attachments) report.sometimes('epoch replaced while a channel was opening')
  if (before.policyChanges < world.policy.changes) report.sometimes('policy changed while a channel was opening')
  if (code === 'NO_SUCH_SERVICE' && before.withdrawals < to.withdrawals) {
    report.sometimes('offer withdrawn while a channel was opening')
  }
  if (code !== 'DEADLINE') return
  report.sometimes('deadline of an open passed')
  const links = [from, to].flatMap(({ node }) => world.network.linksOf(node))
  if (links.some((link) => link.stalled)) report.sometimes('deadline passed while a link was stalled')
}
