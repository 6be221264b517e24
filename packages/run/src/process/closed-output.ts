/** Keeps a program alive when the reader of its output has left. */

/** EPIPE: the reader of a pipe ended, as in `| head`. EIO: the terminal is gone. */
const READER_CLOSED = ["EPIPE", "EIO"];

/**
 * Has this process go on when nobody reads its output any more: `| head` ends, Ctrl-C ends `| tee log` too, a terminal
 * is closed. What is written from then on is lost.
 */
export function outliveReaders(streams: NodeJS.EventEmitter[] = [process.stdout, process.stderr]): void {
  for (const stream of streams) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (!READER_CLOSED.includes(error.code!)) throw error;
    });
  }
}
