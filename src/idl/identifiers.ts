/** Words of IDL that cannot be names (C706, 3.1.5; MIDL adds to them), as far as a name of ours could be one. */
const KEYWORDS: ReadonlySet<string> = new Set(
  (
    'boolean byte case char coclass const context_handle cpp_quote default dispinterface double enum error_status_t extern false ' +
    'float handle handle_t hyper ignore import in include inline int interface length_is library local long module ms_union null ' +
    'object out pipe pointer_default ptr range ref register restricted retval short signed size_is sizeof small static string ' +
    'struct switch switch_is switch_type true typedef union unique unsigned uuid v1_enum version void wchar_t GUID HRESULT ' +
    'IUnknown auto break continue do else for goto if return volatile while'
  ).split(' '),
)

/** Makes IDL identifiers of names, no two alike. */
export class Identifiers {
  readonly #taken = new Set<string>()

  /** A new one that says as much of `name` as an identifier can. */
  fresh(name: string): string {
    const plain = identifier(name)
    let made = plain
    for (let i = 2; this.#taken.has(made); i++) made = `${plain}_${i}`
    this.#taken.add(made)
    return made
  }
}

/** The name as an identifier: for members and parameters, whose names are alone in their place. */
export function identifier(name: string): string {
  const plain = name.replace(/[^A-Za-z0-9_]+/g, '_')
  return KEYWORDS.has(plain) || !/^[A-Za-z_]/.test(plain) ? `${/^[A-Za-z_]/.test(plain) ? '' : 'n'}${plain}_` : plain
}
