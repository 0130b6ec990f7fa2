/**
 * The privileged agent of a guest: the only program there that opens the bus device. It listens on a socket for the
 * guest's programs, which run unprivileged and get one socket for each open channel, and nothing else.
 */
import { readFile } from 'node:fs/promises'
import { CarrierListener, Endpoint, MuxCarrier, PlaceBridge, SystemObject } from '../bus/index.ts'
import { BusbarError } from '../errors/index.ts'
import type { ByteLink } from '../link/index.ts'
import type { GuestConfig } from '../partition/index.ts'
import { listenUnix, nodeEnv, serialGuest } from '../transport/index.ts'
import { GuestPrograms } from './guest-programs.ts'
import { openRegions } from './guest-regions.ts'

/** What the host tells this guest, and the name of the port to the bus. Both as `partition` writes them: importing that whole layer would cost the guest half a second. */
const CONFIG_PATH = '/etc/busbar/guest.json'
const PORT_NAME = 'org.busbar.0'

async function main(): Promise<void> {
  const config = JSON.parse(await readFile(CONFIG_PATH, 'utf8')) as GuestConfig
  const env = nodeEnv()
  let system: SystemObject | undefined
  const carriers = new CarrierListener({
    env,
    onCarrier: (carrier) => {
      if (system === undefined) carrier.close(new BusbarError('NOT_READY', 'the guest is not attached to the bus now'))
      else system.attach(carrier)
    },
  })
  // Any program of the guest may attach: what it may then open is decided by the bus, for the guest as a whole.
  await listenUnix(config.socket, { mode: 0o666, onLink: (link) => carriers.accept(link) })
  const log = (line: string): void => console.error(`busbar: ${line}`)
  const shares = openRegions(config, log)
  const programs = new GuestPrograms(config, { log, rings: shares })
  process.once('SIGTERM', () => {
    programs.stop()
    process.exit(0)
  })
  const port = await serialGuest({ portName: PORT_NAME, env })
  programs.start()
  for (;;) {
    const session = await port.accept()
    // A session that fails while it is being made is one that failed: the next one may not.
    const reason = await serve(session, shares, (attached) => {
      system = attached
    })
    console.error(`busbar: the session with the bus ended: ${reason.code} ${reason.message}`)
  }
}

/** One session with the bus, from contact to its end. */
async function serve(
  session: ByteLink,
  shares: boolean,
  attached: (system: SystemObject | undefined) => void,
): Promise<BusbarError> {
  const env = nodeEnv()
  const places = shares ? new PlaceBridge() : undefined
  try {
    const carrier = new MuxCarrier(session, { side: 'partition', env })
    const endpoint = await Endpoint.attach(carrier, { env, rings: places })
    attached(new SystemObject(endpoint, env, {}, places))
    console.log(`busbar: attached as "${endpoint.identity.partition}", epoch ${endpoint.identity.epoch}`)
    return BusbarError.from(await endpoint.closed)
  } catch (thrown) {
    return BusbarError.from(thrown)
  } finally {
    attached(undefined)
  }
}

main().catch((thrown: unknown) => {
  const error = BusbarError.from(thrown)
  console.error(`busbar: the agent failed: ${error.id} ${error.code} ${error.message}`)
  process.exit(1)
})
