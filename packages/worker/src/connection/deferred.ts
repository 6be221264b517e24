/** A promise that is settled from outside, by a method of the class that has it. */

/** Settles once; later calls change nothing. Nobody has to await it: a rejection is not an unhandled one. */
export class Deferred<Value> {
  readonly promise: Promise<Value>;
  resolve: (value: Value) => void = () => {};
  reject: (error: Error) => void = () => {};

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.promise.catch(() => {}); // whoever awaits it hears of the error
  }
}
