/** Prints the progress of `pnpm verify` while it trains. */
import { type Display, parseLogLine } from "@lockstep/run";

/** Prints the engine, a line for each run, and on a terminal the progress of the run. */
export class VerifyReport {
  readonly #display: Display;
  /** A display for a run in this process, of which only the progress is printed. */
  readonly progressDisplay: Display;

  constructor(display: Display) {
    this.#display = display;
    this.progressDisplay = {
      isTerminal: false,
      line: () => {},
      progress: (progress) => this.#progress(progress),
      close: () => display.close(),
    };
  }

  /** Prints a line. */
  line(text: string): void {
    this.#display.line(text);
  }

  /** Receives a line of a run's JSON log, of which the engine and the progress are printed. */
  childLine(line: string): void {
    const content = parseLogLine(line);
    if (typeof content !== "string") this.#progress(content);
    else if (content.startsWith("engine: ")) this.#display.line(content);
  }

  /** Removes the progress bar. */
  close(): void {
    this.#display.close();
  }

  #progress(progress: Parameters<Display["progress"]>[0]): void {
    if (this.#display.isTerminal) this.#display.progress(progress);
  }
}
