/** Checks downloads with a fake pip for each of its errors, and with the real one on a local index. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defined } from "@lockstep/testing";
import { strToU8, zipSync } from "fflate";
import { expect, onTestFinished, test, vi } from "vitest";
import { emptyMachine, fakeProgram, fakePython, tempDir } from "../testing/fakes.ts";
import { downloadWheels, extraRequirements, unpackWheel } from "./pip.ts";

const KNOWN = "tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl";
const REQUIREMENT = "tensorflow-cpu==2.21.0";

function hasPython(): boolean {
  try {
    execFileSync("python3", ["-c", "import pip"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Runs only if this machine has Python with pip. */
const pipTest = test.runIf(hasPython());

function index(wheels: Record<string, string | Uint8Array>): string {
  const dir = tempDir();
  for (const [name, content] of Object.entries(wheels)) writeFileSync(join(dir, name), content);
  return dir;
}

test("a machine without Python is an error with the remedy", async () => {
  emptyMachine();
  await expect(downloadWheels([REQUIREMENT], tempDir(), () => {})).rejects.toMatchObject({
    code: "ERR_NO_PYTHON",
    message: expect.stringMatching(/python3 was not found.*apt install python3-pip.*LOCKSTEP_LIBTENSORFLOW/),
  });
});

test("a Python without pip is an error with the remedy", async () => {
  const bin = emptyMachine();
  fakeProgram(bin, "python3", `process.exit(args[0] === "--version" ? 0 : 1)`);
  await expect(downloadWheels([REQUIREMENT], tempDir(), () => {})).rejects.toMatchObject({
    code: "ERR_NO_PIP",
    message: expect.stringMatching(/but python3 has no pip.*python3 -m ensurepip/),
  });
});

test("a wheel for this machine's Python is downloaded, and a line says that its SHA-256 is not recorded", async () => {
  const bin = emptyMachine();
  const dir = index({ "tensorflow_cpu-2.21.0-cp39-cp39-linux_x86_64.whl": "a wheel" });
  fakePython(bin, dir);
  const lines: string[] = [];
  const dest = tempDir();
  const [wheel] = await downloadWheels([REQUIREMENT], dest, (line) => lines.push(line));
  expect(readFileSync(defined(wheel, "the wheel"), "utf8")).toBe("a wheel");
  expect(lines.join()).toMatch(/cp39-linux_x86_64.whl: no SHA-256 is recorded for it/);
  expect(readFileSync(join(dir, "downloads"), "utf8")).toMatch(/^-m pip download --no-deps [^\n]*==2.21.0\n$/);
});

test("without one for this machine's Python, the wheel for Python 3.12 is downloaded", async () => {
  const bin = emptyMachine();
  fakeProgram(
    bin,
    "python3",
    `if (args[0] === "-c") process.exit(0);
    if (args.join(" ").includes("--python-version 3.12"))
      fs.writeFileSync(args[args.indexOf("--dest") + 1] + "/tensorflow_cpu-2.21.0-cp312.whl", "");
    else process.exit(1);`,
  );
  const wheels = await downloadWheels([REQUIREMENT], tempDir(), () => {});
  expect(wheels.map((wheel) => wheel.split("/").at(-1))).toEqual(["tensorflow_cpu-2.21.0-cp312.whl"]);
});

test("a wheel with a known name and another content is rejected", async () => {
  const bin = emptyMachine();
  fakePython(bin, index({ [KNOWN]: "not the known one" }));
  await expect(downloadWheels([REQUIREMENT], tempDir(), () => {})).rejects.toMatchObject({
    code: "ERR_WHEEL_HASH",
    message: expect.stringContaining(`e5b6c, got ${createHash("sha256").update("not the known one").digest("hex")}.`),
  });
});

test.each([
  [
    "ERROR: No matching distribution found for it",
    /No matching distribution found for it\. Check which index pip uses \(python3 -m pip config list\)/,
  ],
  [
    "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
    /No space left on device\. Free disk space/,
  ],
  ["ERROR: Unheard of.", /: ERROR: Unheard of\. Fix what pip reports, and check its settings/],
  [
    "WARNING: NewConnectionError: no route\nERROR: No matching distribution",
    /the package index cannot be reached \(NewConnectionError\)\. Check the network/,
  ],
])("pip's message %j is in the error, with its remedy", async (stderr, message) => {
  const bin = emptyMachine();
  fakeProgram(
    bin,
    "python3",
    `if (args[0] === "-c") process.exit(0);
    console.error(${JSON.stringify(stderr)});
    process.exit(1);`,
  );
  const download = downloadWheels([REQUIREMENT], tempDir(), () => {});
  await expect(download).rejects.toMatchObject({
    code: "ERR_WHEEL_DOWNLOAD",
    message: expect.stringMatching(message),
  });
});

// These tests run the real pip; the others need no Python.
const name = "lockstep_fake-1.0-py3-none-any.whl";
const info = "lockstep_fake-1.0.dist-info";
const found = index({
  [name]: zipSync({
    [`${info}/METADATA`]: strToU8("Metadata-Version: 2.1\nName: lockstep-fake\nVersion: 1.0\n"),
    [`${info}/WHEEL`]: strToU8("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
    [`${info}/RECORD`]: strToU8(""),
  }),
});
const pipIs = (settings: Record<string, string>) => {
  for (const [variable, value] of Object.entries(settings)) vi.stubEnv(variable, value);
  onTestFinished(() => void vi.unstubAllEnvs());
};

pipTest("the user's pip settings for installations do not affect a download", async () => {
  pipIs({ PIP_NO_INDEX: "1", PIP_FIND_LINKS: found });
  pipIs({ PIP_REQUIRE_VIRTUALENV: "1", PIP_REQUIRE_HASHES: "1", PIP_USER: "1", PIP_TARGET: "/nowhere" });
  pipIs({ PIP_NO_BINARY: ":all:", PIP_CONSTRAINT: "/nowhere", PIP_PYTHON_VERSION: "2.7", PIP_PLATFORM: "win_amd64" });
  const dest = tempDir();
  expect(await downloadWheels(["lockstep-fake==1.0"], dest, () => {})).toEqual([join(dest, name)]);
});

pipTest("a pip without an index is distinguished from a network that is down", async () => {
  pipIs({ PIP_NO_INDEX: "1" });
  await expect(downloadWheels(["lockstep-fake==1.0"], tempDir(), () => {})).rejects.toMatchObject({
    code: "ERR_WHEEL_DOWNLOAD",
    message: expect.stringMatching(
      /No matching distribution found .* Unset PIP_NO_INDEX, which keeps pip from its index/,
    ),
  });
});

const members = {
  "tensorflow/lib.so": strToU8("library"),
  "tensorflow/include/c/a.h": strToU8("header"),
  "tensorflow/python/b.py": strToU8("code"),
  "tensorflow-2.dist-info/METADATA": strToU8(
    'Name: tensorflow\nRequires-Dist: numpy>=1\nRequires-Dist: nvidia-cudnn-cu12<10.0,>=9.3.0.75; extra == "and-cuda"\n' +
      "Requires-Dist: nvidia-nccl-cu12<3.0,>=2.27.7; extra == 'and-cuda'\nRequires-Dist: gcs; extra == \"gcs-filesystem\"\n",
  ),
};
const wheel = join(index({ "tensorflow-2.whl": zipSync(members) }), "tensorflow-2.whl");

pipTest("the members of a wheel that match the patterns are unpacked", async () => {
  const dir = tempDir();
  await unpackWheel(wheel, ["tensorflow/lib.so", "tensorflow/include/*.h"], dir);
  const there = Object.keys(members).filter((name) => existsSync(join(dir, name)));
  expect(there).toEqual(["tensorflow/lib.so", "tensorflow/include/c/a.h"]);
  expect(readFileSync(join(dir, "tensorflow/lib.so"), "utf8")).toBe("library");
});

pipTest("the requirements of a wheel's extra are read", async () => {
  expect(await extraRequirements(wheel, "and-cuda")).toEqual([
    "nvidia-cudnn-cu12<10.0,>=9.3.0.75",
    "nvidia-nccl-cu12<3.0,>=2.27.7",
  ]);
});

pipTest("a wheel that is no zip archive is an error", async () => {
  const broken = join(index({ "broken.whl": "x" }), "broken.whl");
  await expect(unpackWheel(broken, ["*"], tempDir())).rejects.toMatchObject({
    code: "ERR_WHEEL_UNPACK",
    message: expect.stringMatching(/broken.whl could not be unpacked: .*BadZipFile/),
  });
});
