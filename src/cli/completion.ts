import { BusbarError } from '../errors/index.ts'
import type { Command } from './command.ts'

/** Each asks `busbar __complete SHELL WORD...`, where the last word is the one under the cursor. */
const SCRIPTS: Readonly<Record<string, string>> = {
  bash: String.raw`# Completion of busbar for bash: source <(busbar completion bash)
_busbar() {
  local value about
  COMPREPLY=()
  while IFS=$'\t' read -r value about; do
    COMPREPLY+=("$value")
  done < <("${'$'}{COMP_WORDS[0]}" __complete bash "${'$'}{COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _busbar busbar`,
  zsh: String.raw`#compdef busbar
# Completion of busbar for zsh: source <(busbar completion zsh), behind compinit
_busbar() {
  local value about
  local -a values shown
  while IFS=$'\t' read -r value about; do
    values+=("$value")
    shown+=("$value${'$'}{about:+  -- $about}")
  done < <("${'$'}{words[1]}" __complete zsh "${'$'}{(@)words[2,CURRENT]}" 2>/dev/null)
  if (( ${'$'}{#values} )); then
    compadd -Q -l -d shown -a values
  else
    _files
  fi
}
if [[ "${'$'}{funcstack[1]}" = _busbar ]]; then _busbar "$@"; else compdef _busbar busbar; fi`,
  fish: String.raw`# Completion of busbar for fish: busbar completion fish | source
function __busbar_candidates
    set -l words (commandline -opc)
    set -g __busbar_found ($words[1] __complete fish $words[2..-1] (commandline -ct) 2>/dev/null)
    test (count $__busbar_found) -gt 0
end
complete -c busbar -n __busbar_candidates -f -a '(printf "%s\n" $__busbar_found)'`,
}

const SHELLS = Object.keys(SCRIPTS)

export const completion: Command = {
  name: 'completion',
  words: SHELLS.join('|'),
  summary: 'print a script that completes commands, services, methods and arguments in a shell',
  options: {},
  examples: ['source <(busbar completion bash)', 'busbar completion fish | source'],
  look: 'see `busbar completion --help`',
  arity: [1, 1],
  complete: async ({ words }) => (words.length === 0 ? SHELLS.map((value) => ({ value })) : []),
  async run({ words }, terminal) {
    const [shell = ''] = words
    const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined
    if (script === undefined) {
      throw new BusbarError('INVALID_ARGUMENT', `there is no completion for "${shell}"`, {
        stage: 'arguments',
        hints: [`there is one for ${SHELLS.join(', ')}`],
      })
    }
    terminal.out(script)
    return 0
  },
}
