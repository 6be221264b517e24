/** Closes resources in reverse order when the work that opened them ends. */

/** Collects what a piece of work has opened. */
export interface Resources {
  /** Registers a `close` to call when the work ends. The last one added is called first. */
  add(close: () => unknown): void;
}

/**
 * Does the work, then closes what the work has added, also when it fails. Every `close` is called and awaited, even if
 * another one fails.
 *
 * @throws the error of the work, else the first error of a `close`
 */
export async function withResources<Result>(work: (resources: Resources) => Promise<Result>): Promise<Result> {
  const closes: (() => unknown)[] = [];
  const errors: unknown[] = [];
  const attempt = async <Value>(act: () => Value) => {
    try {
      return await act();
    } catch (error) {
      errors.push(error);
      return undefined;
    }
  };
  const result = await attempt(() => work({ add: (close) => void closes.push(close) }));
  for (const close of closes.reverse()) await attempt(close);
  if (errors.length > 0) throw errors[0];
  return result as Result;
}
