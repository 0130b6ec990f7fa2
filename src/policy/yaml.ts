import { Composer, type CST, isAlias, isMap, isScalar, isSeq, LineCounter, type ParsedNode, Parser } from 'yaml'
import { escapePeerText } from '../errors/index.ts'
import { CONFIG_LIMITS } from './limits.ts'
import { type Located, type LocatedEntry, type LocatedMapping, quote } from './located.ts'
import type { Position, Problems } from './problem.ts'

/** What YAML is most often broken by. */
const SYNTAX_HINT =
  'Look there and in the line before for a colon, quote or bracket that is missing; indent with spaces, not with tabs.'

const START: Position = { line: 1, column: 1 }

/**
 * The one place that knows YAML. Text becomes located data, or problems. Only plain data comes through: no anchors, aliases,
 * tags, merge keys or several documents, so nothing expands and nothing is constructed.
 */
export function readYaml(text: string, problems: Problems): Located | undefined {
  if (text.length > CONFIG_LIMITS.text) {
    problems.add(START, `the file has ${text.length} characters, at most ${CONFIG_LIMITS.text} are allowed`)
    return undefined
  }
  const lines = new LineCounter()
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const tokens = [...new Parser(lines.addNewLine).parse(text)]
  const tooDeep = offsetOfTooDeep(tokens)
  if (tooDeep !== undefined) {
    problems.add(at(tooDeep), `nested deeper than ${CONFIG_LIMITS.depth} levels, which no setting needs`)
    return undefined
  }
  // Duplicate keys are found below: the composer compares each key with each other.
  const documents = [...new Composer({ uniqueKeys: false, version: '1.2' }).compose(tokens, true, text.length)]
  const [document, second] = documents
  for (const fault of documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])) {
    const star = fault.code === 'BAD_ALIAS'
    const message = `not valid YAML: ${escapePeerText(fault.message)}`
    problems.add(at(fault.pos[0]), message, star ? "A star is special in YAML: write it in quotes, '*'." : SYNTAX_HINT)
  }
  if (problems.count > 0) return undefined
  if (second !== undefined) {
    problems.add(at(second.range[0]), 'a second document begins here, one is expected')
    return undefined
  }
  if (document === undefined || document.contents === null) return emptyMapping(START)
  const located = locate(document.contents, at, problems)
  return problems.count > 0 ? undefined : located
}

function emptyMapping(at: Position): LocatedMapping {
  return { kind: 'mapping', at, entries: [] }
}

/** Walks the tokens without recursion: the composer, which does recurse, must only see what its stack can hold. */
function offsetOfTooDeep(tokens: readonly CST.Token[]): number | undefined {
  const open = tokens.map((token) => ({ token, depth: 0 }))
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { token, depth } = next
    if (depth > CONFIG_LIMITS.depth) return 'offset' in token ? token.offset : 0
    if (token.type === 'document' && token.value !== undefined) open.push({ token: token.value, depth })
    if (!('items' in token)) continue
    for (const item of token.items) {
      if (item.key) open.push({ token: item.key, depth: depth + 1 })
      if (item.value) open.push({ token: item.value, depth: depth + 1 })
    }
  }
  return undefined
}

type At = (offset: number) => Position

/** Recursion is bounded by the depth check. Whatever is not plain data becomes a problem, and `undefined`. */
function locate(node: ParsedNode, at: At, problems: Problems): Located | undefined {
  const position = at(node.range?.[0] ?? 0)
  if (isAlias(node)) {
    problems.add(position, `found the alias *${escapePeerText(node.source, 60)}, write the value out`)
    return undefined
  }
  if (node.anchor !== undefined || node.tag !== undefined) {
    problems.add(position, 'found an anchor or a tag, plain data is expected')
    return undefined
  }
  if (isScalar(node)) return locateScalar(node, position, problems)
  if (isSeq<ParsedNode>(node)) {
    if (tooMany(node.items.length, position, problems)) return undefined
    const items = node.items.map((item) => locate(item, at, problems))
    return items.every((item) => item !== undefined) ? { kind: 'list', at: position, items } : undefined
  }
  if (!isMap<ParsedNode, ParsedNode | null>(node) || tooMany(node.items.length, position, problems)) return undefined
  const entries: LocatedEntry[] = []
  const seen = new Set<string>()
  for (const { key, value } of node.items) {
    const keyAt = at(key.range?.[0] ?? 0)
    const plain = isScalar(key) && key.anchor === undefined && key.tag === undefined
    const name = plain ? scalarSource(key) : undefined
    if (name === undefined) problems.add(keyAt, 'a key is a plain text')
    else if (seen.has(name)) problems.add(keyAt, `the key ${quote(name)} stands here a second time`)
    else {
      seen.add(name)
      const nothing = { kind: 'scalar', at: keyAt, value: null, source: '' } as const
      const located = value === null ? nothing : locate(value, at, problems)
      if (located !== undefined) entries.push({ key: name, keyAt, value: located })
    }
  }
  return { kind: 'mapping', at: position, entries }
}

function scalarSource(node: { value?: unknown; source?: string | undefined }): string {
  return typeof node.value === 'string' ? node.value : (node.source ?? String(node.value))
}

function locateScalar(
  node: { value?: unknown; source?: string | undefined },
  at: Position,
  problems: Problems,
): Located | undefined {
  const source = scalarSource(node)
  if (source.length > CONFIG_LIMITS.scalar) {
    problems.add(at, `a text of ${source.length} characters, at most ${CONFIG_LIMITS.scalar} are allowed`)
    return undefined
  }
  const { value } = node
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'bigint':
    case 'boolean':
      return { kind: 'scalar', at, value, source }
    default:
      return { kind: 'scalar', at, value: null, source }
  }
}

function tooMany(count: number, at: Position, problems: Problems): boolean {
  if (count <= CONFIG_LIMITS.entries) return false
  problems.add(at, `${count} entries, at most ${CONFIG_LIMITS.entries} are allowed`)
  return true
}
