/** `pnpm export`: writes the model of a run for other programs, or a trace of its time. */
import type { ExportOptions } from "@lockstep/config/programs";
import { openRunFolder, type RunFolder, writeTrace } from "@lockstep/run";
import { outputFile } from "@lockstep/training";

/** Writes the export, and prints how to use it. */
export async function exportRun({ run: dir, to, out }: ExportOptions): Promise<void> {
  if (to === "trace") return exportTrace(outputFile(out, dir, "trace.json"), openRunFolder(dir).folder);
  const { exportModel } = await import("@lockstep/training/export");
  console.log(await exportModel(dir, to, out));
}

function exportTrace(path: string, folder: RunFolder): void {
  writeTrace(path, folder);
  console.log(`${path}: open it at https://ui.perfetto.dev`);
}
