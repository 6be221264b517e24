/** Checks the commands, links and figures of all pages against the programs, the files and the results. */
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { defined } from "@lockstep/testing";
import { describe, expect, test } from "vitest";
import { anchorsIn, commandsIn, linksIn, pages, readPage } from "./testing/documentation/documented.ts";
import { assertKnown } from "./testing/documentation/known-command.ts";

const root = join(import.meta.dirname, "../..");
/** Commands of every page except the changelog, which has commands of earlier versions. */
const commands = pages
  .filter((page) => page !== "CHANGELOG.md")
  .flatMap((page) => commandsIn(readPage(page)).map((words) => ({ page, words })));

test("commands are found in code blocks and in running text", () => {
  const text =
    "```sh\nnpx -y pnpm@10 train   # once\n  TOKEN=… pnpm worker --name a\n```\nSay `pnpm export\n--to pth …`.";
  expect(commandsIn(text)).toEqual([["train"], ["worker", "--name", "a"], ["export", "--to", "pth"]]);
});

test("unknown commands and options are reported", () => {
  expect(() => assertKnown(["trian"])).toThrow('"trian"');
  expect(() => assertKnown(["train", "--batchsize", "3"])).toThrow("unknown option '--batchsize'");
  expect(() => assertKnown(["train", "--batch-size", "none"])).toThrow("Expected --batch-size");
  expect(() => assertKnown(["bench", "walk"])).toThrow("unknown command 'walk'");
  expect(() => assertKnown(["coordinator", "--gpu"])).toThrow("unknown option '--gpu=any'");
  expect(() => assertKnown(["worker", "--reconnect-ms", "soon"])).toThrow("whole number");
  expect(() => assertKnown(["fuzz", "--speed", "3"])).toThrow("to have the option --speed");
});

describe("the program knows", () => {
  test.each(commands.map(({ page, words }) => [`pnpm ${words.join(" ")}`, page, words] as const))(
    "%s, from %s",
    (_, __, words) => assertKnown([...words]),
  );
});

test.each(pages)("the links of %s lead to existing files and headings", (page) => {
  const inside = linksIn(readPage(page)).filter((to) => !/^[a-z]+:/.test(to));
  const broken = inside.filter((to) => {
    const [path, anchor] = to.split("#");
    const target = path === "" ? page : join(dirname(page), defined(path));
    if (!existsSync(join(root, target))) return true;
    return anchor !== undefined && !anchorsIn(readPage(target)).includes(anchor);
  });
  expect(broken).toEqual([]);
});

test("the figures in the README are those of docs/results.md", () => {
  const [, table = ""] = /## Results\n\n(.*?)\n\n/s.exec(readPage("README.md")) ?? [];
  const figures = table
    .split("\n")
    .slice(2)
    .map((row) => row.split("|")[2] ?? "");
  const numbers = figures.flatMap((figure) => figure.match(/\d[\d.,]*\d|\d/g) ?? []);
  const results = readPage("docs/results.md");
  expect(numbers.length).toBeGreaterThan(5);
  expect(numbers.filter((number) => !results.includes(number))).toEqual([]);
});

test("the README's file map has every package and every program", () => {
  const named: string[] = readPage("README.md").match(/\b(?:packages|apps)\/[\w-]+/g) ?? [];
  const folders = ["packages", "apps"].flatMap((parent) =>
    readdirSync(join(root, parent)).map((name) => `${parent}/${name}`),
  );
  expect(folders.filter((folder) => !named.includes(folder))).toEqual([]);
});
