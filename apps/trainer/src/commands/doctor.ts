/** `pnpm run doctor`: reports what this machine can do, what is missing, and how to install it. */
import type { DoctorOptions } from "@lockstep/config/programs";
import { cifar10Files, defaultDataDir } from "@lockstep/dataset";
import { type Check, formatReport, inspectMachine } from "@lockstep/engine";
import { LockstepError } from "@lockstep/errors";

/** Prints the result of each check. Exits with status 1 if this machine cannot train. */
export async function doctor({ json = false, fix = false }: DoctorOptions): Promise<void> {
  const { checks, canTrain } = await inspectMachine({ fix, log: (line) => console.error(line) });
  const report = { checks: [...checks, datasetCheck()], canTrain };
  console.log(json ? JSON.stringify(report, null, 2) : formatReport(report));
  if (!canTrain) process.exitCode = 1;
}

function datasetCheck(): Check {
  const name = "data set";
  const dir = defaultDataDir("cifar10");
  try {
    if (cifar10Files(dir) !== undefined) return { name, ok: true, value: `CIFAR-10 in ${dir}` };
    const remedy =
      "`pnpm train` downloads it (170 MB). Use --data-dir for existing files, or --dataset shapes, which needs none";
    return { name, ok: true, absent: true, value: `CIFAR-10 is not downloaded yet: ${remedy}` };
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    return { name, ok: false, value: `CIFAR-10 in ${dir} is damaged`, problem: error.message };
  }
}
