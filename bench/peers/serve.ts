/** The child's side of `Child.ask`: answers each request with what `handle` gives, one at a time. */
export function serve(handle: (request: never) => Promise<unknown>): void {
  process.on('message', (request) => {
    handle(request as never).then(
      (answer) => process.send?.(answer ?? null),
      (error) => {
        console.error(error)
        process.exit(1)
      },
    )
  })
  process.on('disconnect', () => process.exit(0))
  process.send?.('ready')
}
