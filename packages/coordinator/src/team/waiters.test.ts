import { describe, expect, test } from "vitest";
import { Waiters } from "./waiters.ts";

/** What has become of a promise by now. */
async function now(promise: Promise<void>): Promise<string> {
  const pending = new Promise<string>((resolve) => setImmediate(() => resolve("waits")));
  return Promise.race([promise.then(() => "done").catch((error: Error) => error.message), pending]);
}

describe("who waits", () => {
  test("goes on at once if what it waits for holds already", async () => {
    expect(await now(new Waiters().until(() => true))).toBe("done");
  });

  test("goes on with the look that finds that it holds, and is not asked again", async () => {
    const waiters = new Waiters();
    let [holds, asked] = [false, 0];
    const waiting = waiters.until(() => {
      asked++;
      return holds;
    });
    waiters.look();
    expect(await now(waiting)).toBe("waits");
    holds = true;
    expect(await now(waiting)).toBe("waits"); // nobody has looked
    waiters.look();
    expect(await now(waiting)).toBe("done");
    waiters.look();
    expect(asked).toBe(3);
  });

  test("does not keep others waiting, or let them go", async () => {
    const waiters = new Waiters();
    const done = new Set<string>();
    const [first, second] = ["first", "second"].map((name) => waiters.until(() => done.has(name)));
    done.add("second");
    waiters.look();
    expect([await now(first!), await now(second!)]).toEqual(["waits", "done"]);
  });

  test("may wait anew in the midst of a look", async () => {
    const waiters = new Waiters();
    let inner: Promise<void> | undefined;
    let [holds, asked] = [false, 0];
    const outer = waiters.until(() => {
      asked++;
      if (holds) inner = waiters.until(() => false);
      return holds;
    });
    holds = true;
    waiters.look();
    expect([await now(outer), await now(inner!), asked]).toEqual(["done", "waits", 2]);
  });
});

test("whose condition throws hears of it, and keeps nobody else waiting", async () => {
  const waiters = new Waiters();
  const [broken, done] = [new Set<string>(), new Set<string>()];
  const first = waiters.until(() => {
    if (broken.has("first")) throw new Error("it cannot be asked");
    return false;
  });
  const second = waiters.until(() => done.has("second"));
  broken.add("first");
  done.add("second");
  waiters.look();
  expect(await Promise.all([first, second].map(now))).toEqual(["it cannot be asked", "done"]);
});

describe("when waiting has become vain", () => {
  test("those who wait hear of it, and those who come, whatever they wait for; not those who are done", async () => {
    const waiters = new Waiters();
    const [done, waiting] = [waiters.until(() => true), waiters.until(() => false)];
    waiters.fail(new Error("all lost"));
    expect(await Promise.all([done, waiting, waiters.until(() => true)].map(now))).toEqual([
      ...["done", "all lost", "all lost"],
    ]);
  });

  test("it is over for all: only who comes after hope has come back waits again", async () => {
    const waiters = new Waiters();
    waiters.fail(new Error("all lost"));
    const early = waiters.until(() => false);
    waiters.fail(undefined);
    expect(await Promise.all([early, waiters.until(() => false)].map(now))).toEqual(["all lost", "waits"]);
  });
});
