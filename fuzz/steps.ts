/** One step of a script: what happens, with two small numbers and bytes. */
export interface Step {
  readonly op: number
  readonly a: number
  readonly b: number
  readonly bytes: Uint8Array
}

/** Op, `a`, `b` and the length of the bytes. */
const STEP_BYTES = 6

export function encodeSteps(steps: readonly Step[]): Uint8Array {
  const all = new Uint8Array(steps.reduce((sum, { bytes }) => sum + STEP_BYTES + bytes.length, 0))
  const view = new DataView(all.buffer)
  let at = 0
  for (const { op, a, b, bytes } of steps) {
    view.setUint8(at, op)
    view.setUint8(at + 1, a)
    view.setUint16(at + 2, b)
    view.setUint16(at + 4, bytes.length)
    all.set(bytes, at + STEP_BYTES)
    at += STEP_BYTES + bytes.length
  }
  return all
}

/** Any bytes are steps: the last one takes what there is. */
export function decodeSteps(input: Uint8Array): Step[] {
  const view = new DataView(input.buffer, input.byteOffset, input.length)
  const steps: Step[] = []
  for (let at = 0; at + STEP_BYTES <= input.length; ) {
    const length = view.getUint16(at + 4)
    const bytes = input.slice(at + STEP_BYTES, at + STEP_BYTES + length)
    steps.push({ op: view.getUint8(at), a: view.getUint8(at + 1), b: view.getUint16(at + 2), bytes })
    at += STEP_BYTES + length
  }
  return steps
}
