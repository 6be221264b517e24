/** Breaks each rule of wording in turn, in a file of a few lines. */
import { expect, test } from "vitest";
import { wordFaults } from "./words.ts";

/** Returns the faults of one file, which has a header comment. */
const faultsOf = (code: string, path = "src/one.ts") => wordFaults(new Map([[path, `/** One. */\n\n${code}`]]));
/** Joins words to a name, so that this file does not have the name itself. */
const named = (...words: string[]) => words.join("");

test.each([
  ["const", `const ${named("do", "or")} = 1;`, 'src/one.ts: door has "door"; say listen options, transport'],
  ["a private method", `  #${named("let", "Go")}() {}`, 'src/one.ts: #letGo has "let go"; say release, resolve'],
  ["a constant", `const ${named("HELD", "_BACK")} = 1;`, 'src/one.ts: HELD_BACK has "held back"; say buffered'],
  ["a template", `\`a \${\`b \${${named("ros", "ter")}} c\`} d\`;`, 'src/one.ts: roster has "roster"; say members'],
])("an avoided word in %s is reported", (_, code, fault) => {
  expect(faultsOf(code)).toEqual([fault]);
});

test("an avoided word in a path is reported", () => {
  expect(faultsOf("", `src/record-${named("de", "sk")}.ts`)).toEqual([
    'src/record-desk.ts: its path has "desk"; say endpoint, server',
  ]);
});

test("comments, texts, regular expressions, longer words and error codes may contain an avoided word", () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a source
  const texts = ['// a "door"', '"door"', "'a door'", "`a door ${1} and {a} door`", "x = /door[/]door/g;", "outdoor;"];
  expect(faultsOf(`${texts.join("\n")}\nERR_STRIKES;`)).toEqual([]);
});

test("a function that throws like an assertion must not be called expectX", () => {
  expect(faultsOf(`function ${named("expect", "One")}() {}`)).toEqual([
    "src/one.ts: expectOne throws; call it assert…",
  ]);
});

test("a file without a header comment is reported, also if it is a test", () => {
  const texts = ["src/one.ts", "src/two.test.ts"].map((path): [string, string] => [path, "one();\n"]);
  expect(wordFaults(new Map(texts))).toEqual([
    "src/one.ts has no header comment",
    "src/two.test.ts has no header comment",
  ]);
  expect(wordFaults(new Map([["src/one.ts", "#!/usr/bin/env node\n/** One. */\n"]]))).toEqual([]);
});

test("an export without a doc comment is reported, unless it overloads one that has a doc comment", () => {
  const documented = "/** Two. */\nexport function two(a: 1): 1;\nexport function two(a: 2): 2;\n";
  expect(faultsOf(`${documented}export const three = 3;\n`)).toEqual(["src/one.ts: three has no doc comment"]);
});
