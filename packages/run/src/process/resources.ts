/** Closes resources in reverse order when the work that opened them ends. */

/** Collects the resources that a piece of work opens. */
export interface Resources {
  /** Registers a `close` to call when the work ends. The last one added is called first. */
  add(close: () => unknown): void;
}

/**
 * Runs the work, then closes the resources that it added, even if it fails. Awaits every `close`, even if another one
 * fails.
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
  const outcome = await attempt(async () => ({ result: await work({ add: (close) => void closes.push(close) }) }));
  for (const close of closes.reverse()) await attempt(close);
  if (outcome === undefined || errors.length > 0) throw errors[0];
  return outcome.result;
}
