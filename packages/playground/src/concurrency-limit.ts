/** Limits the number of concurrent tasks. */

/**
 * Returns a function that runs tasks in the order of its calls, at most `count` at once. Its promise settles as the
 * task's does.
 */
export function concurrencyLimit(count: number) {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async <T>(task: () => Promise<T>): Promise<T> => {
    if (running < count) running++;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = waiting.shift(); // inherits the slot of this task
      if (next === undefined) running--;
      else next();
    }
  };
}
