/**
 * Runs a pickle: a program for a stack machine that builds one value. Only the opcodes that
 * `writePth` writes are known.
 *
 * Source: Python's pickletools.py (the opcodes).
 */

/** Marks the start of a tuple, or of a dict's items, on the stack. */
const MARK = Symbol("mark");

/** The functions that a pickle may call, by module and name. */
export type PickleFunctions = Readonly<Record<string, (...parameters: never[]) => unknown>>;

/** The state of a running pickle: the read position and the stack. */
class Unpickler {
  readonly #pickle: Buffer;
  readonly #functions: PickleFunctions;
  readonly #persistent: (id: unknown[]) => unknown;
  readonly #stack: unknown[] = [];
  #at = 0;

  /** The action of each opcode, except for STOP ("."), which ends the program. */
  readonly #steps: Record<string, () => void> = {
    "\x80": () => void this.#at++, // PROTO
    "(": () => this.#stack.push(MARK),
    t: () => this.#stack.push(this.#popToMark()), // TUPLE
    ")": () => this.#stack.push([]), // EMPTY_TUPLE
    c: () => this.#stack.push(`${this.#line()} ${this.#line()}`), // GLOBAL
    R: () => this.#stack.push(this.#call()), // REDUCE
    u: () => this.#addItems(), // SETITEMS
    Q: () => this.#stack.push(this.#persistent(this.#popTuple())), // BINPERSID
    "\x89": () => this.#stack.push(false), // NEWFALSE
    X: () => this.#stack.push(this.#text()), // BINUNICODE
    J: () => this.#stack.push(this.#int()), // BININT
  };

  constructor(pickle: Buffer, functions: PickleFunctions, persistent: (id: unknown[]) => unknown) {
    this.#pickle = pickle;
    this.#functions = functions;
    this.#persistent = persistent;
  }

  run(): unknown {
    for (;;) {
      const opcode = String.fromCharCode(this.#pickle.readUInt8(this.#at++));
      if (opcode === ".") return this.#stack.pop();
      const step = this.#steps[opcode];
      if (step === undefined)
        throw new RangeError(`Expected an opcode that writePth writes, got ${JSON.stringify(opcode)}.`);
      step();
    }
  }

  #call(): unknown {
    const parameters = this.#popTuple();
    const name = String(this.#stack.pop());
    const call = this.#functions[name];
    if (call === undefined) throw new RangeError(`Expected a function that writePth calls, got ${name}.`);
    return call(...(parameters as never[]));
  }

  /** Adds the names and values above the mark to the dict below it, which is represented as a list of pairs. */
  #addItems(): void {
    const items = this.#popToMark();
    const dict = this.#stack.at(-1);
    if (!Array.isArray(dict)) throw new RangeError("Expected a dict to add items to, got another value.");
    for (let i = 0; i < items.length; i += 2) dict.push(items.slice(i, i + 2));
  }

  #popTuple(): unknown[] {
    const tuple = this.#stack.pop();
    if (!Array.isArray(tuple)) throw new RangeError("Expected a tuple, got another value.");
    return tuple;
  }

  #popToMark(): unknown[] {
    return this.#stack.splice(this.#stack.lastIndexOf(MARK)).slice(1);
  }

  #line(): string {
    const start = this.#at;
    this.#at = this.#pickle.indexOf("\n", start) + 1;
    return this.#pickle.toString("utf8", start, this.#at - 1);
  }

  #text(): string {
    const start = this.#at + 4;
    this.#at = start + this.#pickle.readUInt32LE(this.#at);
    return this.#pickle.toString("utf8", start, this.#at);
  }

  #int(): number {
    this.#at += 4;
    return this.#pickle.readInt32LE(this.#at - 4);
  }
}

/**
 * Runs a pickle and returns the value that it builds.
 *
 * @param persistent returns the object that a persistent id names
 * @throws RangeError if an opcode or function is not known, or the pickle is truncated
 */
export function unpickle(pickle: Buffer, functions: PickleFunctions, persistent: (id: unknown[]) => unknown): unknown {
  return new Unpickler(pickle, functions, persistent).run();
}
