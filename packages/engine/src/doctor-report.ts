/** The doctor's report as text: a line for each check, its problem and its remedy, and a verdict. */
import type { Check, DoctorReport } from "./doctor.ts";

/** Returns the report. "ok" marks what works, "--" a problem, and a dot what is absent and not needed. */
export function formatReport({ checks, canTrain }: DoctorReport): string {
  return [...checks.map(lineOf), canTrain ? verdictOn(checks) : CANNOT_TRAIN].join("\n");
}

const CANNOT_TRAIN = "This machine cannot train yet. Follow the remedies above.";

/**
 * Returns the verdict on a machine that can train. WebAssembly is many times slower than native TensorFlow or a GPU.
 */
function verdictOn(checks: readonly Check[]): string {
  const isFast = ["native", "webgpu"].some((backend) =>
    checks.some(({ name, ok }) => ok && name === `backend ${backend}`),
  );
  if (isFast) return "This machine can train.";
  const { remedy = "" } = checks.find(({ name }) => name === "backend native") ?? {};
  return `This machine can train, but slowly, without native TensorFlow. ${remedy}`.trim();
}

function lineOf({ ok, absent, name, value, problem, remedy }: Check): string {
  const mark = absent ? "· " : ok ? "ok" : "--";
  const details = [problem, remedy && `→ ${remedy}`].filter(Boolean).map((text) => `${" ".repeat(19)}${text}`);
  return [`${mark}  ${name.padEnd(14)} ${value}`, ...details].join("\n");
}
