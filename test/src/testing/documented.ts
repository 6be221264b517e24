/** The commands and links that stand in README, CONTRIBUTING, CHANGELOG and docs/. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../../..");

/** Markdown files, as paths from the root of the repository. */
export const pages = [
  "README.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

export function readPage(page: string): string {
  return readFileSync(join(root, page), "utf8");
}

const FENCED = /^```.*?^```$/gms;
const COMMAND = /^(?:\w+=\S+ )?(?:npx -y )?pnpm(?:@10)? (?<words>.+)$/;

/**
 * What stands after `pnpm` wherever a whole line of a fenced block, or a span of code, is such a command; without
 * comments, and without a "…" that stands for more options.
 */
export function commandsIn(text: string): string[][] {
  const fenced = text.match(FENCED) ?? [];
  const spans = text.replace(FENCED, "").matchAll(/`([^`]+)`/g);
  const lines = [
    ...fenced.flatMap((block) => block.split("\n")),
    ...[...spans].flatMap(([, span]) => span!.replace(/\s+/g, " ").split("; ")),
  ];
  return lines.flatMap((line) => {
    const words = COMMAND.exec(line.replace(/ +#.*$/, "").trim())?.groups?.["words"];
    return words === undefined ? [] : [words.replace(/(?<! --\S+) …$/, "").split(/ +/)];
  });
}

/** The targets of links, and the anchors that headings make. */
export const linksIn = (text: string) =>
  [...text.replace(FENCED, "").matchAll(/\]\(([^)\s]+)\)/g)].map(([, to]) => to!);

export function anchorsIn(text: string): string[] {
  const headings = text.replace(FENCED, "").matchAll(/^#+ (.+)$/gm);
  return [...headings].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/[^\p{Letter}\p{Number} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}
