/** The processor: its name and its vector instructions. */
import { readFileSync } from "node:fs";
import { cpus } from "node:os";

/** Returns the widest vector instructions: "AVX512", "AVX2", "AVX" or "SSE" on Linux x64, elsewhere "unknown". */
export function instructionSet(): string {
  if (process.platform !== "linux" || process.arch !== "x64") return "unknown";
  return instructionSetIn(readFileSync("/proc/cpuinfo", "utf8"));
}

/** Returns the widest vector instructions from the text of /proc/cpuinfo. */
export function instructionSetIn(cpuinfo: string): string {
  const flags = new Set(/^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.trim().split(/\s+/));
  if (flags.has("avx512f")) return "AVX512";
  if (flags.has("avx2")) return "AVX2";
  return flags.has("avx") ? "AVX" : "SSE";
}

/** Returns the processor's name, for example "AMD EPYC". */
export function cpuName(): string {
  return cpus()[0]?.model.trim() || process.arch;
}
