/** Limits how many tasks run at once. */

/**
 * Returns a function that runs tasks, at most `count` of them at once, in the order in which they come. It settles as the
 * task does.
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
      const next = waiting.shift(); // takes the place of this one
      if (next === undefined) running--;
      else next();
    }
  };
}
