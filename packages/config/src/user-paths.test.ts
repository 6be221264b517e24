/** Tests that paths on the command line are relative to the folder of the user. */
import { Command } from "@commander-js/extra-typings";
import { expect, test } from "vitest";
import { invocationFolder, resolveUserPaths } from "./user-paths.ts";

function parse(folder: string | undefined, ...words: string[]) {
  const program = new Command("lockstep");
  const command = program
    .command("some")
    .option("--out <dir>")
    .option("--run <dir...>")
    .option("--model <name|path>")
    .option("--name <name>")
    .option("--json")
    .argument("[image...]")
    .action(() => {});
  resolveUserPaths(program, folder).parse(["some", ...words], { from: "user" });
  return { ...command.opts(), images: command.processedArgs[0] };
}

test("paths on the command line are relative to the user's folder, and other options are unchanged", () => {
  const words = ["a.png", "--out", "x/", "--run", "../r", "/s", "--model", "alexnet", "--name", "n", "--json"];
  expect(parse("/home/ann", "a.png", "/b.png", ...words.slice(1))).toEqual({
    out: "/home/ann/x/",
    run: ["/home/r", "/s"],
    model: "alexnet",
    name: "n",
    json: true,
    images: ["/home/ann/a.png", "/b.png"],
  });
  expect(parse("/home/ann", "--model", "net.ts", "--out", "")).toMatchObject({ model: "/home/ann/net.ts", out: "" });
  expect(parse(undefined, ...words)).toMatchObject({ images: ["a.png"], out: "x/", run: ["../r", "/s"] });
});

test("folders in environment variables are relative to the user's folder, also for processes started later", () => {
  const folders = { LOCKSTEP_CACHE: "c", LOCKSTEP_DATA: "../d", LOCKSTEP_LIBTENSORFLOW: "/tf", XDG_CACHE_HOME: "" };
  const env: NodeJS.ProcessEnv = { ...folders, XDG_CONFIG_HOME: "./x", LOCKSTEP_TOKEN: "t" };
  resolveUserPaths(new Command("lockstep"), undefined, env);
  expect(env).toMatchObject(folders);
  resolveUserPaths(new Command("lockstep"), "/home/ann", env);
  expect(env).toEqual({
    LOCKSTEP_CACHE: "/home/ann/c",
    LOCKSTEP_DATA: "/home/d",
    LOCKSTEP_LIBTENSORFLOW: "/tf",
    XDG_CACHE_HOME: "",
    XDG_CONFIG_HOME: "/home/ann/x",
    LOCKSTEP_TOKEN: "t",
  });
});

const main = `${process.cwd()}/apps/trainer/src/main.ts`;
const env = {
  INIT_CWD: "/home/ann",
  npm_package_json: `${process.cwd()}/package.json`,
  npm_lifecycle_script: "node --import tsx apps/trainer/src/main.ts train --out x",
};

test("the user's folder is where pnpm was called", () => {
  expect(invocationFolder(env, main)).toBe("/home/ann");
  expect(invocationFolder({ ...env, INIT_CWD: process.cwd() }, main)).toBe(undefined);
});

test.each([
  ["by hand", {}, main],
  ["by another package's script", { ...env, npm_package_json: "/elsewhere/package.json" }, main],
  ["by the tests, which are a script", { ...env, npm_lifecycle_script: "vitest run" }, main],
  ["as the worker of a training", env, `${process.cwd()}/packages/worker/src/program/main.ts`],
])("the user's folder is unknown if the program was started %s", (_, environment, started) => {
  expect(invocationFolder(environment, started)).toBe(undefined);
});
