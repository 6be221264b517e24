/** A file of lines that another process writes at its end, or puts a new one in its place. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** The lines that a file has gained since the last look. */
export interface NewLines {
  /** Whole lines that have come since the last look. */
  text: string;
  /** Whether the file is another one than at the last look: then `text` is all of it. */
  isReplaced: boolean;
  /** Lines before `text`. */
  linesBefore: number;
}

/** A text file that another process appends lines to, read piece by piece. */
export class GrowingFile {
  readonly #path: string;
  #inode: number | undefined;
  #bytes = 0;
  #lines = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Nothing, if the file is not there. */
  read(): NewLines {
    const file = openIfExists(this.#path);
    if (file === undefined) return { text: "", isReplaced: false, linesBefore: this.#lines };
    try {
      const { ino, size } = fstatSync(file);
      const isReplaced = ino !== this.#inode || size < this.#bytes;
      if (isReplaced) [this.#inode, this.#bytes, this.#lines] = [ino, 0, 0];
      const bytes = Buffer.alloc(size - this.#bytes);
      readSync(file, bytes, { position: this.#bytes });
      const completeLines = bytes.subarray(0, bytes.lastIndexOf("\n") + 1); // the rest of a line may be still to come
      const added = { text: completeLines.toString("utf8"), isReplaced, linesBefore: this.#lines };
      this.#bytes += completeLines.length;
      this.#lines += added.text.split("\n").length - 1;
      return added;
    } finally {
      closeSync(file);
    }
  }
}

function openIfExists(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
