import { beforeEach, describe, expect, test } from "vitest";
import { recordedMember } from "../testing/recorded-member.ts";
import { Questions } from "./questions.ts";
import { Waiters } from "./waiters.ts";

let [a, b] = [recordedMember(0), recordedMember(1)];
let waiters = new Waiters();
let questions = new Questions(waiters, () => 0);
beforeEach(() => {
  [a, b] = [recordedMember(0), recordedMember(1)];
  waiters = new Waiters();
  questions = new Questions(waiters, () => 0);
});

const digest = (text: string) => ({ type: "digest-result" as const, step: 3, digest: text });
/** As the team does: it takes the answer, then looks who waits. */
function answer(member: typeof a.member, given: Parameters<Questions["take"]>[1]): void {
  questions.take(member, given);
  waiters.look();
}

describe("a question", () => {
  test("is put to each, and answered when all have answered; answers are in the order of those asked", async () => {
    const asked = questions.ask([a.member, b.member], { type: "digest" });
    expect([a.session.told, b.session.told]).toEqual([[{ type: "digest" }], [{ type: "digest" }]]);
    answer(b.member, digest("of b"));
    answer(a.member, digest("of a"));
    expect([...(await asked)]).toEqual([
      [a.member, digest("of a")],
      [b.member, digest("of b")],
    ]);
  });

  test("does not wait for who is gone", async () => {
    const asked = questions.ask([a.member, b.member], { type: "sync" });
    answer(a.member, { type: "synced" });
    b.member.gone = true;
    waiters.look();
    expect([...(await asked).keys()]).toEqual([a.member]);
  });

  test("counts the answer that one gave before it went", async () => {
    const asked = questions.ask([a.member, b.member], { type: "sync" });
    answer(a.member, { type: "synced" });
    a.member.gone = true;
    answer(b.member, { type: "synced" });
    expect((await asked).size).toBe(2);
  });

  test("is not answered by the answer to another one, by another worker, or by one that nobody asked for", async () => {
    answer(a.member, digest("early"));
    const asked = questions.ask([a.member], { type: "digest" });
    answer(b.member, digest("of b"));
    answer(a.member, { type: "synced" });
    answer(a.member, { type: "loaded", largestDifference: 0 });
    answer(a.member, digest("of a"));
    answer(a.member, digest("again"));
    expect([...(await asked).values()]).toEqual([digest("of a")]);
  });

  test("may be put beside another one", async () => {
    const [first, second] = [
      questions.ask([a.member], { type: "sync" }),
      questions.ask([a.member], { type: "digest" }),
    ];
    answer(a.member, digest("of a"));
    answer(a.member, { type: "synced" });
    expect([(await first).size, (await second).size]).toEqual([1, 1]);
  });

  test("is over when waiting has become vain: who answers then answers nothing", async () => {
    const asked = questions.ask([a.member], { type: "digest" });
    waiters.fail(new Error("all lost"));
    await expect(asked).rejects.toThrow("all lost");
    waiters.fail(undefined);
    answer(a.member, digest("late"));
    const again = questions.ask([a.member], { type: "digest" });
    answer(a.member, digest("of a"));
    expect([...(await again).values()]).toEqual([digest("of a")]);
  });
});
