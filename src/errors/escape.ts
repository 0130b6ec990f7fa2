/** Peer text is data: longer texts are cut at this many UTF-16 units before they reach a log or a terminal (our choice). */
const MAX_PEER_TEXT = 300

/**
 * Text that a peer chose, made safe to print: control, bidirectional and line-separating characters become `\u{..}`,
 * and what is left is cut at 300 characters.
 */
export function escapePeerText(text: string, max: number = MAX_PEER_TEXT): string {
  const cut = text.length > max ? `${text.slice(0, max)}…` : text
  return cut.replace(
    /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]/gu,
    (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`,
  )
}

/** JSON text with what a peer chose in it, made safe to print: it says the same. */
export function escapeJson(text: string): string {
  return text.replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
