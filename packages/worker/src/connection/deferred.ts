/** A promise that its owner settles. */

/** Settles once; later calls change nothing. A rejection that nothing awaits is not reported as unhandled. */
export class Deferred<Value> {
  readonly promise: Promise<Value>;
  resolve: (value: Value) => void = () => {};
  reject: (error: Error) => void = () => {};

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.promise.catch(() => {}); // those who await it still get the error
  }
}
