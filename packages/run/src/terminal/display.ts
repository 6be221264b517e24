/** Displays: they print the lines and the progress of a run, for people or for programs. */
import { formatDuration } from "@lockstep/files";
import { SingleBar } from "cli-progress";
import type { Progress } from "../live/updates.ts";
import { jsonLine, type LineFields, type LogFormat } from "./log.ts";

/** An output for the lines and the progress of a run. */
export interface Display {
  /** True if the output is a terminal: only then may lines contain secrets. */
  readonly isTerminal: boolean;
  /** Prints a line. @param fields further fields of the JSON format; text shows none of them */
  line(text: string, fields?: LineFields): void;
  /** Prints a line that only the JSON format has. @default it is left out */
  record?(text: string, fields: LineFields): void;
  progress(progress: Progress): void;
  /** Removes the progress bar, if there is one. */
  close(): void;
}

/** Milliseconds between two lines of progress on a display without a bar. */
const LINE_EVERY_MS = 10_000;

/** Returns a display with a bar on a terminal, and with lines elsewhere; with `--log json`, one object per line. */
export function displayOn(stream: NodeJS.WriteStream, format: LogFormat): Display {
  const write = (text: string) => void stream.write(`${text}\n`);
  if (format === "json") return jsonDisplay(write);
  return stream.isTTY ? barDisplay(stream) : lineDisplay(write);
}

function jsonDisplay(write: (line: string) => void): Display {
  const line: Display["line"] = (text, fields) => write(jsonLine(text, fields));
  return { ...lineDisplay(line), record: line };
}

/** Returns a display that prints progress as a line every 10 s, for output that is not a terminal. */
export function lineDisplay(write: Display["line"], nowMs: () => number = () => performance.now()): Display {
  let lastMs = Number.NEGATIVE_INFINITY; // print the first estimate at once
  return {
    isTerminal: false,
    line: write,
    progress: (progress) => {
      if (nowMs() - lastMs < LINE_EVERY_MS) return;
      lastMs = nowMs();
      const width = String(progress.steps).length;
      const { loss, images, left } = formatProgress(progress);
      write(
        `step ${String(progress.step).padStart(width)}/${progress.steps}  loss ${loss}  ${images} images/s  ${left} left`,
        { type: "progress", ...progress },
      );
    },
    close: () => {},
  };
}

function barDisplay(stream: NodeJS.WriteStream): Display {
  const format = "{bar} {value}/{total} steps | loss {loss} | {images} images/s | {left} left";
  let bar: SingleBar | undefined;
  const close = () => {
    bar?.stop();
    bar = undefined;
  };
  return {
    isTerminal: true,
    line: (text) => {
      close();
      stream.write(`${text}\n`);
    },
    progress: (progress) => {
      if (bar === undefined) {
        bar = new SingleBar({
          stream,
          format,
          barsize: 24,
          clearOnComplete: true,
          stopOnComplete: false,
          gracefulExit: false,
        });
        bar.start(progress.steps, progress.step, formatProgress(progress));
      }
      bar.update(progress.step, formatProgress(progress));
    },
    close,
  };
}

function formatProgress({ loss, samplesPerSecond, secondsLeft }: Progress) {
  return { loss: loss.toFixed(3), images: samplesPerSecond.toFixed(1), left: formatDuration(secondsLeft) };
}
