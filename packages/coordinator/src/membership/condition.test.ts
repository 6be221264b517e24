import { defined } from "@lockstep/testing";
import { describe, expect, test } from "vitest";
import { Condition } from "./condition.ts";

/** What has become of a promise by now. */
async function now(promise: Promise<void>): Promise<string> {
  const pending = new Promise<string>((resolve) => setImmediate(() => resolve("waits")));
  return Promise.race([promise.then(() => "done").catch((error: Error) => error.message), pending]);
}

describe("who waits", () => {
  test("goes on at once if what it waits for holds already", async () => {
    expect(await now(new Condition().wait(() => true))).toBe("done");
  });

  test("goes on with the look that finds that it holds, and is not asked again", async () => {
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

  test("does not keep others waiting, or let them go", async () => {
    const condition = new Condition();
    const done = new Set<string>();
    const [first, second] = [condition.wait(() => done.has("first")), condition.wait(() => done.has("second"))];
    done.add("second");
    condition.notify();
    expect([await now(first), await now(second)]).toEqual(["waits", "done"]);
  });

  test("may wait anew in the midst of a look", async () => {
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
    expect([await now(outer), await now(defined(inner, "inner")), asked]).toEqual(["done", "waits", 2]);
  });
});

test("whose condition throws hears of it, and keeps nobody else waiting", async () => {
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

describe("when waiting has become vain", () => {
  test("those who wait hear of it, and those who come, whatever they wait for; not those who are done", async () => {
    const condition = new Condition();
    const [done, waiting] = [condition.wait(() => true), condition.wait(() => false)];
    condition.fail(new Error("all lost"));
    expect(await Promise.all([done, waiting, condition.wait(() => true)].map(now))).toEqual([
      "done",
      "all lost",
      "all lost",
    ]);
  });

  test("it is over for all: only who comes after hope has come back waits again", async () => {
    const condition = new Condition();
    condition.fail(new Error("all lost"));
    const early = condition.wait(() => false);
    condition.fail(undefined);
    expect(await Promise.all([early, condition.wait(() => false)].map(now))).toEqual(["all lost", "waits"]);
  });
});
