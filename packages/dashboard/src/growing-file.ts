/** Reads a text file that another process appends lines to, or replaces. */

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { hasCode } from "@lockstep/files";

/** The lines that a file has gained since it was last read. */
export interface NewLines {
  /** The new complete lines. */
  text: string;
  /** Whether the file is new or was replaced: then `text` is all of it. */
  isReplaced: boolean;
  /** Number of lines before `text`. */
  linesBefore: number;
}

/** A text file that another process appends lines to. */
export class GrowingFile {
  readonly #path: string;
  #inode: number | undefined;
  #bytes = 0;
  #lines = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Returns the lines that were added since the last call: none if the file does not exist. */
  read(): NewLines {
    const file = openIfExists(this.#path);
    if (file === undefined) return { text: "", isReplaced: false, linesBefore: this.#lines };
    try {
      const { ino, size } = fstatSync(file);
      const isReplaced = ino !== this.#inode || size < this.#bytes;
      if (isReplaced) [this.#inode, this.#bytes, this.#lines] = [ino, 0, 0];
      const bytes = Buffer.alloc(size - this.#bytes);
      readSync(file, bytes, { position: this.#bytes });
      const completeLines = bytes.subarray(0, bytes.lastIndexOf("\n") + 1); // the last line may be incomplete
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
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}
