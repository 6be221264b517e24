/** Finds the commands, links and headings in README, CONTRIBUTING, CHANGELOG and docs/. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../../../..");

/** Markdown files, as paths from the root of the repository. */
export const pages = [
  "README.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** Returns the text of a page, given by its path from the root of the repository. */
export function readPage(page: string): string {
  return readFileSync(join(root, page), "utf8");
}

const FENCED = /^```.*?^```$/gms;
const COMMAND = /^(?:\w+=\S+ )?(?:npx -y )?pnpm(?:@10)? (?<words>.+)$/;

/**
 * Returns the words after `pnpm` of each command: a complete line of a fenced block, or a code span. Comments are left
 * out, and so is a "…" that stands for further options.
 */
export function commandsIn(text: string): string[][] {
  const fenced = text.match(FENCED) ?? [];
  const spans = text.replace(FENCED, "").matchAll(/`([^`]+)`/g);
  const lines = [
    ...fenced.flatMap((block) => block.split("\n")),
    ...[...spans].flatMap(([, span = ""]) => span.replace(/\s+/g, " ").split("; ")),
  ];
  return lines.flatMap((line) => {
    const words = COMMAND.exec(line.replace(/ +#.*$/, "").trim())?.groups?.["words"];
    return words === undefined ? [] : [words.replace(/(?<! --\S+) …$/, "").split(/ +/)];
  });
}

/** Returns the targets of all links. */
export const linksIn = (text: string): string[] =>
  [...text.replace(FENCED, "").matchAll(/\]\(([^)\s]+)\)/g)].map(([, to = ""]) => to);

/** Returns the anchors of all headings, as GitHub forms them. */
export function anchorsIn(text: string): string[] {
  const headings = text.replace(FENCED, "").matchAll(/^#+ (.+)$/gm);
  return [...headings].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replace(/[^\p{Letter}\p{Number} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}
