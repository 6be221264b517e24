/** Finds the identifiers in TypeScript, without a parser. */

/** Comments, strings, regular expressions, the signs that nest, identifiers, and anything else. */
const CODE =
  /\/\*.*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|(?<=(?:[=(,:[!&|?{};]|=>|\breturn)\s*)\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])*\/[a-z]*|#?[A-Za-z_$][\w$]*|./gsy;
/** The text of a template up to its end, or to an expression in it. */
const TEMPLATE = /(?:\\.|[^`\\$]|\$(?!\{))*(?:`|\$\{)/gsy;

/** Returns the identifiers of a source text, keywords included, in order. Comments and texts have none. */
export function identifiersIn(text: string): string[] {
  const names: string[] = [];
  const braces: ("block" | "template")[] = [];
  let at = 0;
  const next = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    const [token = ""] = pattern.exec(text) ?? [];
    at = token === "" ? text.length : at + token.length;
    return token;
  };
  const skipTemplate = () => void (next(TEMPLATE).endsWith("${") && braces.push("template"));
  while (at < text.length) {
    const token = next(CODE);
    if (/^#?[A-Za-z_$]/.test(token)) names.push(token);
    else if (token === "`") skipTemplate();
    else if (token === "{") braces.push("block");
    else if (token === "}" && braces.pop() === "template") skipTemplate();
  }
  return names;
}
