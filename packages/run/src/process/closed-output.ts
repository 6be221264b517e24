/** Keeps a program running when the reader of its output has closed. */

/** EPIPE: the reader of a pipe ended, as in `| head`. EIO: the terminal was closed. */
const READER_CLOSED = ["EPIPE", "EIO"];

/**
 * Lets this process continue when nothing reads its output any more: `| head` has ended, Ctrl-C has ended `| tee log`,
 * or the terminal was closed. Later output is discarded.
 */
export function outliveReaders(streams: NodeJS.EventEmitter[] = [process.stdout, process.stderr]): void {
  for (const stream of streams) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (!READER_CLOSED.includes(error.code ?? "")) throw error;
    });
  }
}
