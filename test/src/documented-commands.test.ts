/**
 * Runs the README's commands for one machine: with a tiny model and few steps, and the quickstart and the doctor
 * without changes. documented-team.test.ts runs those for several machines, verify.long.test.ts `pnpm verify`; the
 * dashboard and the playground have their own tests. documentation.test.ts parses the commands of all other pages,
 * which are these with other options, or need a GPU, a second machine or hours.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test as base, defined, temporaryFolder } from "@lockstep/testing";
import sharp from "sharp";
import { expect } from "vitest";
import { commandsIn, readPage } from "./testing/documentation/documented.ts";
import { type Finished, launch, run, start, tinyModel } from "./testing/program.ts";
import { runInProcess } from "./testing/run-in-process.ts";
import { stepsOf } from "./testing/undisturbed.ts";

const { scripts } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
const tiny = ["--model", tinyModel, "--dataset", "shapes", "--batch-size", "16", "--no-test"];

const folderOfFile = temporaryFolder();
/** `trained` is the run of `pnpm train`, started from the sources as package.json does; `photo` is a picture. */
const test = base
  .extend("trained", { scope: "file" }, async () => {
    const out = join(folderOfFile, "run");
    const options = [...tiny, "--max-steps", "4", "--out", out];
    return { out, finished: await launch(["sh", "-c", `exec ${scripts.train} ${options.join(" ")}`]).finished };
  })
  .extend("photo", { scope: "file" }, async () => {
    const path = join(folderOfFile, "photo.jpg");
    const image = readFileSync(new URL("../../docs/images/cifar10-loss.svg", import.meta.url));
    await sharp(image).jpeg().toFile(path);
    return path;
  });

const expectedOutput: Record<string, string> = { evaluate: "[Test ]", predict: "photo.jpg", export: ".pth" };
const trainings = commandsIn(readPage("README.md")).filter(
  ([name, ...options]) => name === "train" && !options.includes("--help"),
);
const uses = commandsIn(readPage("README.md")).filter(([name]) => defined(name) in expectedOutput);

/** Asserts that a command succeeded and printed this. */
function assertPrinted({ status, stdout, stderr }: Finished, text: string): void {
  expect(status, stderr).toBe(0);
  expect(stdout).toContain(text);
}

test("package.json starts each program from its sources", () => {
  const source = "node --import tsx --conditions=lockstep-source";
  const commands = ["train", "quickstart", "evaluate", "predict", "export", "playground", "dashboard", "doctor"];
  for (const command of commands) expect(scripts[command]).toBe(`${source} apps/trainer/src/main.ts ${command}`);
  expect(scripts.coordinator).toBe(`${source} apps/coordinator/src/main.ts`);
  expect(scripts.worker).toBe(`${source} apps/worker/src/main.ts`);
});

test("pnpm train trains", ({ trained }) => {
  expect(trainings).toContainEqual(["train"]);
  assertPrinted(trained.finished, "[Epoch   1]");
});

/** Returns the options of a documented command with the paths of this test. */
const withPaths = (options: readonly string[], run: string, photo: string) =>
  options.map((word) => {
    if (word.startsWith("runs/")) return run;
    const paths: Record<string, string> = { DIR: run, "./my-model.ts": tinyModel, "photo.jpg": photo };
    return paths[word] ?? word;
  });

const withOptions = new Map(trainings.filter(({ length }) => length > 1).map((words) => [words.join(" "), words]));
test.for([...withOptions])("pnpm %s", async ([, [, ...options]], { trained, photo, folder }) => {
  const words = withPaths(options, trained.out, photo);
  const own = options.includes("--resume") ? [] : [...tiny, "--train-fraction", "1", "--out", join(folder, "run")];
  const runOne = options.includes("--workers") ? run : runInProcess; // workers are processes
  assertPrinted(await runOne(["train", ...words, ...own, "--max-steps", "6", "--no-dashboard"]), "[Epoch   1]");
});

test.for(uses.map((words) => [words.join(" "), words] as const))("pnpm %s", async ([, words], { trained, photo }) => {
  const [name, ...options] = words;
  const finished = await runInProcess([defined(name), ...withPaths(options, trained.out, photo)]);
  assertPrinted(finished, defined(expectedOutput[defined(name)]));
});

test("pnpm quickstart trains AlexNet on shapes with a dashboard, and Ctrl-C between its long steps saves the run", async ({
  folder,
}) => {
  const out = join(folder, "run");
  const quickstart = start(["quickstart", "--out", out]);
  await quickstart.prints(/step +\d+\/150 {2}loss/);
  quickstart.child.kill("SIGINT");
  const { status, stdout } = await quickstart.finished;
  expect(status).toBe(130);
  expect(stdout).toMatch(/^dashboard: http:\/\/127/m);
  expect(stdout).toMatch(/^model: {2}AlexNet_CIFAR10, 36,113,290 parameters/m);
  expect(stdout).toContain("continue with: pnpm train --resume");
  expect(stepsOf(out).length).toBeLessThan(50);
});

test("pnpm run doctor reports whether this machine can train", async () => {
  assertPrinted(await run(["doctor"]), "This machine can train.");
});
