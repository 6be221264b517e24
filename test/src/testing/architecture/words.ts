/**
 * The rules of wording: no name contains a word that this code avoids, and every file and every export is explained.
 */
import { identifiersIn } from "./identifiers.ts";

/** Words that no identifier and no file name contains, each with the words to use instead. */
const AVOIDED: ReadonlyMap<string, string> = new Map([
  ["aside", "control message"],
  ["beginning", "initial state, prefix"],
  ["beginnings", "prefix"],
  ["conduct", "run, loop"],
  ["desk", "endpoint, server"],
  ["door", "listen options, transport"],
  ["doors", "listen options, transport"],
  ["duties", "assignments"],
  ["entrance", "transport"],
  ["fitting", "admission"],
  ["flowing", "primary"],
  ["followers", "subscribers"],
  ["foreseen", "prefetched"],
  ["letgo", "release, resolve"],
  ["liar", "non-finite worker"],
  ["liars", "non-finite workers"],
  ["newcomer", "late joiner"],
  ["newcomers", "late joiners"],
  ["questions", "requests"],
  ["recorder", "run writer"],
  ["roster", "members"],
  ["seldom", "gc tuning"],
  ["spare", "pool, free"],
  ["spares", "pool"],
  ["stranger", "pending connection"],
  ["strangers", "pending connections"],
  ["strike", "violation"],
  ["strikes", "violations"],
  ["told", "received, reported"],
  ["waiters", "condition, pending waits"],
  ["whence", "source"],
  ["wish", "options"],
  ["wishes", "options"],
]);
/** Pairs of words that no identifier contains. */
const AVOIDED_PAIRS: ReadonlyMap<string, string> = new Map([
  ["bring in", "catch up"],
  ["collect seldom", "tune gc"],
  ["give back", "release"],
  ["go on", "continue, resume"],
  ["goes on", "continues, resumes"],
  ["held back", "buffered"],
  ["let go", "release, resolve"],
  ["take part", "join, compute"],
]);
/** An error code, which is part of the interface and stays. */
const ERROR_CODE = /^ERR_[A-Z_]+$/;

/** Returns a line for each place that breaks a rule of wording, in the order of the paths. */
export function wordFaults(texts: ReadonlyMap<string, string>): string[] {
  return [...texts]
    .filter(([path]) => path.endsWith(".ts"))
    .flatMap(([path, text]) => [
      ...avoidedInPath(path),
      ...avoidedInCode(path, text),
      ...throwingExpectations(path, text),
      ...missingHeader(path, text),
      ...undocumentedExports(path, text),
    ])
    .sort();
}

function avoidedInPath(path: string): string[] {
  return faultsOf(path.split(/[^a-z0-9]+/i), (word, better) => `${path}: its path has "${word}"; say ${better}`);
}

function avoidedInCode(path: string, text: string): string[] {
  const names = [...new Set(identifiersIn(text))].filter((name) => !ERROR_CODE.test(name));
  return names.flatMap((name) =>
    faultsOf(wordsOf(name), (word, better) => `${path}: ${name} has "${word}"; say ${better}`),
  );
}

function faultsOf(words: readonly string[], line: (word: string, better: string) => string): string[] {
  const pairs = words.slice(1).map((word, index) => `${words[index]} ${word}`);
  return [
    ...words.flatMap((word) => foundIn(AVOIDED, word, line)),
    ...pairs.flatMap((pair) => foundIn(AVOIDED_PAIRS, pair, line)),
  ];
}

function foundIn(avoided: ReadonlyMap<string, string>, word: string, line: (word: string, better: string) => string) {
  const better = avoided.get(word.toLowerCase());
  return better === undefined ? [] : [line(word.toLowerCase(), better)];
}

/** Returns the words of an identifier: `letGo`, `LET_GO` and `#letGo` are `let` and `go`. */
function wordsOf(name: string): string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.toLowerCase());
}

/** A function that throws unless a condition holds is `assertX`; `expect` belongs to tests. */
function throwingExpectations(path: string, text: string): string[] {
  const declared = text.matchAll(/\b(?:function|const|let) (expect[A-Z]\w*)/g);
  return [...declared].map(([, name]) => `${path}: ${name} throws; call it assert…`);
}

function missingHeader(path: string, text: string): string[] {
  if (/^(#!.*\n)?\/\*\*/.test(text)) return [];
  return [`${path} has no header comment`];
}

/** An overload is explained by the first of its signatures. */
function undocumentedExports(path: string, text: string): string[] {
  if (path.endsWith(".test.ts")) return [];
  const documented = new Set<string>();
  const faults: string[] = [];
  for (const { 1: name = "", index } of text.matchAll(EXPORT)) {
    if (/\*\/\n(?:\/\/ biome-ignore .*\n)?$/.test(text.slice(0, index))) documented.add(name);
    if (!documented.has(name)) faults.push(`${path}: ${name} has no doc comment`);
  }
  return faults;
}

const EXPORT =
  /^export (?:default )?(?:declare )?(?:abstract )?(?:async )?(?:const|let|function\*?|class|interface|type|enum) (\w+)/gm;
