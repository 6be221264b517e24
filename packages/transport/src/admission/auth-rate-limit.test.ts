/** Checks the limit of refused joins on a clock that the test sets, under a flood of addresses too. */
import { expect, test } from "vitest";
import { AuthRateLimit } from "./auth-rate-limit.ts";

test("the rate limit counts the refused joins of each address in the last minute", () => {
  const refused = new AuthRateLimit(3);
  for (const nowMs of [0, 10_000, 20_000]) refused.add(nowMs, "192.0.2.1");
  expect(refused.count(59_999, "192.0.2.1")).toBe(3);
  expect(refused.count(60_000, "192.0.2.1")).toBe(2);
  expect(refused.count(80_000, "192.0.2.1")).toBe(0);
  expect(refused.count(20_000, "192.0.2.2")).toBe(0);
});

test("the rate limit forgets the oldest addresses in a flood, so that its memory stays bounded", () => {
  const refused = new AuthRateLimit(10);
  refused.add(0, "192.0.2.1");
  refused.add(0, "192.0.2.2");
  for (let n = 0; n < 4095; n++) refused.add(1, `10.0.${n >> 8}.${n & 255}`);
  for (let n = 0; n < 20_000; n++) refused.add(2, "192.0.2.2");
  expect(refused.addresses).toBe(4096);
  expect([refused.count(2, "192.0.2.1"), refused.count(2, "192.0.2.2")]).toEqual([0, 10]);
  for (let n = 0; n < 20_000; n++) refused.add(2, `10.${n >> 8}.${n & 255}.1`);
  expect(refused.addresses).toBe(4096);
});

test.each([
  ["2001:db8::1", "2001:db8::ffff:1", 1],
  ["2001:db8::1", "2001:db8:0:0:1::", 1],
  ["2001:db8::1", "2001:db8:0:1::1", 0],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::", 1],
  ["fd00::1", "fd00::2", 0],
  ["fe80::1%eth0", "fe80::2%eth0", 0],
  ["192.0.2.1", "192.0.2.2", 0],
])("a join from %s counts for one from %s %i times", (from, other, count) => {
  const refused = new AuthRateLimit(10);
  refused.add(0, from);
  expect(refused.count(0, other)).toBe(count);
});
