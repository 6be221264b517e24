/** Checks requests to recorded members that reply late, wrongly or not at all, or depart. */
import { expect, test } from "vitest";
import { recordedMember } from "../testing/recorded-member.ts";
import { Condition } from "./condition.ts";
import type { Member } from "./members.ts";
import { type Reply, Requests } from "./requests.ts";

const digest = (text: string) => ({ type: "digest-result" as const, step: 3, digest: text });

/** Requests to two members. */
function openRequests() {
  const [a, b] = [recordedMember(0), recordedMember(1)];
  const condition = new Condition();
  const requests = new Requests(condition, () => 0);
  /** Delivers a reply and then notifies the waiting calls, as the team does. */
  function reply(member: Member, message: Reply): void {
    if (message.type === "synced") requests.onReply(message.type, member, message);
    else if (message.type === "loaded") requests.onReply(message.type, member, message);
    else requests.onReply(message.type, member, message);
    condition.notify();
  }
  return { a, b, condition, requests, reply };
}

test("a request is sent to each member and resolves when all have replied, in the order of the members", async () => {
  const { a, b, requests, reply } = openRequests();
  const asked = requests.ask([a.member, b.member], { type: "digest" });
  expect([a.session.sentMessages, b.session.sentMessages]).toEqual([[{ type: "digest" }], [{ type: "digest" }]]);
  reply(b.member, digest("of b"));
  reply(a.member, digest("of a"));
  expect([...(await asked)]).toEqual([
    [a.member, digest("of a")],
    [b.member, digest("of b")],
  ]);
});

test("a request does not wait for a member that has departed", async () => {
  const { a, b, condition, requests, reply } = openRequests();
  const asked = requests.ask([a.member, b.member], { type: "sync" });
  reply(a.member, { type: "synced" });
  b.member.hasDeparted = true;
  condition.notify();
  expect([...(await asked).keys()]).toEqual([a.member]);
});

test("a request includes the reply of a member that departed after it", async () => {
  const { a, b, requests, reply } = openRequests();
  const asked = requests.ask([a.member, b.member], { type: "sync" });
  reply(a.member, { type: "synced" });
  a.member.hasDeparted = true;
  reply(b.member, { type: "synced" });
  expect((await asked).size).toBe(2);
});

test("a request ignores replies of another type, from another worker, or without a request", async () => {
  const { a, b, requests, reply } = openRequests();
  reply(a.member, digest("early"));
  const asked = requests.ask([a.member], { type: "digest" });
  reply(b.member, digest("of b"));
  reply(a.member, { type: "synced" });
  reply(a.member, { type: "loaded", largestDifference: 0 });
  reply(a.member, digest("of a"));
  reply(a.member, digest("again"));
  expect([...(await asked).values()]).toEqual([digest("of a")]);
});

test("a request may be in flight beside one of another type", async () => {
  const { a, requests, reply } = openRequests();
  const [first, second] = [requests.ask([a.member], { type: "sync" }), requests.ask([a.member], { type: "digest" })];
  reply(a.member, digest("of a"));
  reply(a.member, { type: "synced" });
  expect([(await first).size, (await second).size]).toEqual([1, 1]);
});

test("a request rejects when the condition fails, and later replies are not expected", async () => {
  const { a, condition, requests, reply } = openRequests();
  const asked = requests.ask([a.member], { type: "digest" });
  condition.fail(new Error("all lost"));
  await expect(asked).rejects.toThrow("all lost");
  condition.clear();
  reply(a.member, digest("late"));
  const again = requests.ask([a.member], { type: "digest" });
  reply(a.member, digest("of a"));
  expect([...(await again).values()]).toEqual([digest("of a")]);
});
