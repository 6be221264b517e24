/** Checks waits that start, resolve or fail while other waits are being tested. */
import { defined } from "@lockstep/testing";
import { expect, test } from "vitest";
import { Condition } from "./condition.ts";

/** Returns the state of a promise. */
async function now(promise: Promise<void>): Promise<string> {
  const pending = new Promise<string>((resolve) => setImmediate(() => resolve("waits")));
  return Promise.race([promise.then(() => "done").catch((error: Error) => error.message), pending]);
}

test("a wait resolves at once if its predicate holds already", async () => {
  expect(await now(new Condition().wait(() => true))).toBe("done");
});

test("a wait resolves with the first notify at which its predicate holds, and is not tested again", async () => {
  const condition = new Condition();
  let [holds, asked] = [false, 0];
  const waiting = condition.wait(() => {
    asked++;
    return holds;
  });
  condition.notify();
  expect(await now(waiting)).toBe("waits");
  holds = true;
  expect(await now(waiting)).toBe("waits"); // nobody has looked
  condition.notify();
  expect(await now(waiting)).toBe("done");
  condition.notify();
  expect(asked).toBe(3);
});

test("a wait that resolves does not affect other waits", async () => {
  const condition = new Condition();
  const done = new Set<string>();
  const [first, second] = [condition.wait(() => done.has("first")), condition.wait(() => done.has("second"))];
  done.add("second");
  condition.notify();
  expect([await now(first), await now(second)]).toEqual(["waits", "done"]);
});

test("a predicate may start another wait while it is tested", async () => {
  const condition = new Condition();
  let inner: Promise<void> | undefined;
  let [holds, asked] = [false, 0];
  const outer = condition.wait(() => {
    asked++;
    if (holds) inner = condition.wait(() => false);
    return holds;
  });
  holds = true;
  condition.notify();
  expect([await now(outer), await now(defined(inner, "the inner condition")), asked]).toEqual(["done", "waits", 2]);
});

test("a wait whose predicate throws rejects, and does not affect other waits", async () => {
  const condition = new Condition();
  const [broken, done] = [new Set<string>(), new Set<string>()];
  const first = condition.wait(() => {
    if (broken.has("first")) throw new Error("it cannot be asked");
    return false;
  });
  const second = condition.wait(() => done.has("second"));
  broken.add("first");
  done.add("second");
  condition.notify();
  expect(await Promise.all([first, second].map(now))).toEqual(["it cannot be asked", "done"]);
});

test("a failed condition rejects all pending and later waits, but none that are done", async () => {
  const condition = new Condition();
  const [done, waiting] = [condition.wait(() => true), condition.wait(() => false)];
  condition.fail(new Error("all lost"));
  expect(await Promise.all([done, waiting, condition.wait(() => true)].map(now))).toEqual([
    "done",
    "all lost",
    "all lost",
  ]);
});

test("a failure that is lifted lets later waits wait again, but not those that it rejected", async () => {
  const condition = new Condition();
  condition.fail(new Error("all lost"));
  const early = condition.wait(() => false);
  condition.clear();
  expect(await Promise.all([early, condition.wait(() => false)].map(now))).toEqual(["all lost", "waits"]);
});
