/** Finds exported values that no other file names. */
import { identifiersIn } from "./identifiers.ts";

const EXPORTED_VALUE = /^export (?:abstract )?(?:async )?(?:const|let|function\*?|class) (\w+)/gm;

/** Returns a sorted line for each exported value whose name occurs in no other file. Types may be exported. */
export function unusedExports(texts: ReadonlyMap<string, string>): string[] {
  const sources = [...texts].filter(([path]) => path.endsWith(".ts"));
  const filesNaming = new Map<string, number>();
  for (const [, text] of sources) {
    for (const name of new Set(identifiersIn(text))) filesNaming.set(name, (filesNaming.get(name) ?? 0) + 1);
  }
  return sources
    .flatMap(([path, text]) =>
      [...text.matchAll(EXPORTED_VALUE)].flatMap(([, name = ""]) =>
        filesNaming.get(name) === 1 ? [`${path} exports ${name}, which no other file uses`] : [],
      ),
    )
    .sort();
}
