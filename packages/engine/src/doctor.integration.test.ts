/** Checks the doctor's report on machines whose programs and drivers are fakes. */
import { expect, test } from "vitest";
import { type DoctorReport, inspectMachine } from "./doctor.ts";
import { emptyMachine, fakeProgram, onLinuxX64 } from "./testing/fakes.ts";

const linuxTest = test.runIf(onLinuxX64);

const check = ({ checks }: DoctorReport, name: string) => checks.find((other) => other.name === name);

linuxTest(
  "on a machine with nothing but Node, the doctor reports that WASM can train and what native TensorFlow lacks",
  async () => {
    emptyMachine();
    const report = await inspectMachine();
    expect(report.canTrain).toBe(true);
    expect(report.checks.map(({ name }) => name)).toEqual([
      "Node",
      "pnpm",
      "processor",
      "memory",
      "NVIDIA driver",
      "WebGPU",
      "backend native",
      "backend wasm",
      "backend cpu",
      "libtensorflow",
      "threads",
      "matmul",
    ]);
    expect(check(report, "Node")).toEqual({ name: "Node", ok: true, value: process.versions.node });
    const absent = { ok: true, absent: true };
    const value = "not installed; only an NVIDIA GPU needs it";
    expect(check(report, "NVIDIA driver")).toEqual({ name: "NVIDIA driver", ...absent, value });
    const noGpu = expect.stringMatching(/^WebGPU finds no GPU \(.+\)\.$/);
    expect(check(report, "WebGPU")).toEqual({ name: "WebGPU", ...absent, value: noGpu });
    expect(check(report, "backend native")).toEqual({
      name: "backend native",
      ok: false,
      value: "not usable",
      problem: "TensorFlow is not installed.",
      remedy: "Run `pnpm run doctor --fix` to install it.",
    });
    expect(check(report, "backend wasm")).toMatchObject({ ok: true, value: expect.stringMatching(/^4\.22\.0 on /) });
    expect(check(report, "threads")?.value).toBe("1");
    expect(check(report, "matmul")?.value).toMatch(/^\d+\.\d GFLOP\/s on wasm$/);
  },
);

linuxTest("with --fix, the doctor tries to install what is missing, and reports why it could not", async () => {
  emptyMachine();
  const lines: string[] = [];
  const report = await inspectMachine({ fix: true, log: (line) => lines.push(line) });
  expect(check(report, "backend native")).toMatchObject({
    ok: false,
    remedy: expect.stringContaining("Check the network"),
  });
  expect(lines.join("\n")).toContain("needs a C++ compiler");
  expect(lines.filter((line) => line.startsWith("engine:"))).toEqual([]); // the report describes the engines
});

linuxTest("the doctor reports a driver that does not respond, with the remedy", async () => {
  fakeProgram(emptyMachine(), "nvidia-smi", `console.log("Driver/library version mismatch"); process.exit(18);`);
  const report = await inspectMachine();
  expect(check(report, "NVIDIA driver")).toEqual({
    name: "NVIDIA driver",
    ok: false,
    value: "not usable",
    problem: "The NVIDIA driver does not respond. nvidia-smi printed: Driver/library version mismatch.",
    remedy: "Reinstall the driver, or restart the machine after an update of the driver.",
  });
});

linuxTest("the doctor reports a GPU without CUDA", async () => {
  fakeProgram(emptyMachine(), "nvidia-smi", `console.log("0, GPU-aaaa, NVIDIA H200, 570.86.15, 143771")`);
  const report = await inspectMachine();
  expect(check(report, "NVIDIA driver")?.value).toBe("0: NVIDIA H200, driver 570.86.15, 140.4 GiB");
  expect(check(report, "CUDA")).toMatchObject({
    ok: false,
    remedy: "Run `pnpm run doctor --fix` to download it (about 3 GB).",
  });
});

linuxTest("the doctor's report is plain JSON data", async () => {
  emptyMachine();
  const report = await inspectMachine();
  expect(JSON.parse(JSON.stringify(report))).toEqual(report);
});
