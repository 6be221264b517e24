/** Tests that only requests with both tokens can command a run. */
import { expect } from "vitest";
import { CONTROL, type ServedSite, TOKEN, test, trusted } from "../testing/served-site.ts";

const json = { ...trusted, "content-type": "application/json" };
const allowed = { ...json, "x-lockstep-control": CONTROL };

async function post(site: ServedSite, headers: Record<string, string>, body: string) {
  const { status, text } = await site.ask("/control", { method: "POST", headers, body });
  return { status, text: text.trim() };
}

test("a command with the control token is carried out", async ({ site }) => {
  expect(await post(site, allowed, '{"do":"pause"}')).toEqual({ status: 200, text: "OK" });
  expect(site.commands).toEqual([{ do: "pause" }]);
});

test.for<[string, Record<string, string>, string, number]>([
  ["without the control token", json, '{"do":"stop"}', 401],
  ["with a wrong control token", { ...json, "x-lockstep-control": TOKEN }, '{"do":"stop"}', 401],
  ["without the run's token", { "x-lockstep-control": CONTROL }, '{"do":"stop"}', 401],
  ["from a page of another site", { ...allowed, origin: "http://elsewhere.example" }, '{"do":"stop"}', 403],
  ["that does not exist", allowed, '{"do":"dance"}', 409],
  ["that is not JSON", allowed, "stop", 409],
  ["that is too long", allowed, "x".repeat(5000), 413],
])("a command %s is refused", async ([, headers, body, status], { site }) => {
  expect((await post(site, headers, body)).status).toBe(status);
  expect(site.commands).toEqual([]);
});

test("the response to a command that cannot be carried out says why", async ({ site }) => {
  expect(await post(site, allowed, '{"do":"drop","worker":"a"}')).toEqual({
    status: 409,
    text: "No worker a is here.",
  });
});

test("a link cannot carry a command", async ({ site }) => {
  expect((await site.ask("/control", { headers: allowed })).status).toBe(405);
});
