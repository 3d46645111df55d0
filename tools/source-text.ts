/**
 * What the rules look at: a source file's code without its comments and texts, its imports, and the files it names.
 *
 * A lexer of one page instead of a parser: the rules need to tell code from prose, no more. Blanks replace what is not code, so every
 * position and line number stays what it was.
 */

export interface SourceFile {
  /** Path from the repository's root, with `/`. */
  readonly path: string
  readonly text: string
}

export interface Import {
  readonly specifier: string
  readonly line: number
  /** Erased before the program runs. */
  readonly typeOnly: boolean
  /** `import(...)`: loaded when the line is reached. */
  readonly lazy: boolean
}

export interface Literal {
  readonly value: string
  readonly at: number
}

const REGEX_MAY_FOLLOW = /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|await|yield|do|else))\s*$/

/** The code of a file, comments and the insides of texts blanked; and those texts. Quotes, backticks and `${ }` insides stay. */
export function lex(text: string): { readonly code: string; readonly literals: readonly Literal[] } {
  const code = Array.from({ length: text.length }, (_, at) => text.charAt(at))
  const literals: Literal[] = []
  /** Open braces inside each `${`, innermost last. */
  const substitutions: number[] = []
  let at = 0
  while (at < text.length) {
    const char = text[at]!
    const pair = text.slice(at, at + 2)
    if (pair === '//' || pair === '/*') {
      const end = pair === '//' ? text.indexOf('\n', at) : text.indexOf('*/', at + 2) + 2
      const stop = end < (pair === '//' ? 0 : 2) ? text.length : end
      blank(at, stop)
      at = stop
    } else if (char === "'" || char === '"') at = quoted(char)
    else if (char === '`') at = template(at + 1)
    else if (char === '/' && REGEX_MAY_FOLLOW.test(code.slice(Math.max(0, at - 40), at).join(''))) at = regex()
    else if (char === '{' && substitutions.length > 0) {
      substitutions[substitutions.length - 1]!++
      at++
    } else if (char === '}' && substitutions.length > 0) {
      const open = substitutions.pop()!
      if (open > 0) substitutions.push(open - 1)
      at = open > 0 ? at + 1 : template(at + 1)
    } else at++
  }
  return { code: code.join(''), literals }

  function blank(from: number, to: number): void {
    for (let i = from; i < to; i++) if (code[i] !== '\n') code[i] = ' '
  }

  function quoted(quote: string): number {
    let end = at + 1
    while (end < text.length && text[end] !== quote && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1
    literals.push({ value: text.slice(at + 1, end), at })
    blank(at + 1, end)
    return end + 1
  }

  /** From behind a backtick or the brace that ends a substitution, to behind the next of either. */
  function template(from: number): number {
    let end = from
    while (end < text.length && text[end] !== '`' && text.slice(end, end + 2) !== '${') end += text[end] === '\\' ? 2 : 1
    literals.push({ value: text.slice(from, end), at: from - 1 })
    blank(from, end)
    if (text[end] === '`') return end + 1
    substitutions.push(0)
    return end + 2
  }

  function regex(): number {
    let end = at + 1
    for (let inClass = false; end < text.length && text[end] !== '\n' && (inClass || text[end] !== '/'); end++) {
      if (text[end] === '\\') end++
      else if (text[end] === '[') inClass = true
      else if (text[end] === ']') inClass = false
    }
    blank(at + 1, end)
    return end + 1
  }
}

const STATIC =
  /(?<![\w$.])(import|export)\s+(type\s+)?((?:\*(?:\s+as\s+[\w$]+)?|[\w$]+\s*,\s*\{[^}]*\}|[\w$]+|\{[^}]*\})\s*from\s*)?(?=['"])/g
const LAZY = /(?<![\w$.])(typeof\s+)?import\s*\(\s*(?=['"`])/g

export function importsOf(text: string): Import[] {
  const { code, literals } = lex(text)
  const literalAt = new Map(literals.map((literal) => [literal.at, literal.value]))
  const found: Import[] = []
  for (const match of code.matchAll(STATIC)) {
    const specifier = literalAt.get(match.index + match[0].length)
    const [, , type, clause] = match
    const names =
      /^\{([^}]*)\}/
        .exec(clause ?? '')?.[1]
        ?.split(',')
        .filter((name) => name.trim() !== '') ?? []
    const typeOnly = type !== undefined || (names.length > 0 && names.every((name) => /^\s*type\s/.test(name)))
    if (specifier !== undefined) found.push({ specifier, line: lineOf(text, match.index), typeOnly, lazy: false })
  }
  for (const match of code.matchAll(LAZY)) {
    const specifier = literalAt.get(match.index + match[0].length)
    if (specifier !== undefined)
      found.push({ specifier, line: lineOf(text, match.index), typeOnly: match[1] !== undefined, lazy: match[1] === undefined })
  }
  return found
}

/** Sources that a file names without importing them: programs of threads and processes. */
export function filesNamed(text: string): string[] {
  return lex(text).literals.flatMap(({ value }) => (/^\.{1,2}\/[\w./-]+\.(?:ts|js|mjs)$/.test(value) ? [value] : []))
}

export function lineOf(text: string, at: number): number {
  return text.slice(0, at).split('\n').length
}
