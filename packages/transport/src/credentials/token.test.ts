/** Checks what is a token, equals one, or carries one, and that an error does not repeat it. */
import { expect, test } from "vitest";
import { assertToken, bearerToken, makeToken, sameToken } from "./token.ts";

test("a made token has 128 bits, is new each time, and passes through a header", () => {
  const token = makeToken();
  expect(token).toMatch(/^[0-9a-f]{32}$/);
  expect(makeToken()).not.toBe(token);
  expect(() => assertToken(token)).not.toThrow();
  expect(bearerToken(`Bearer ${token}`)).toBe(token);
});

test("tokens are the same only if all of them is", () => {
  expect(sameToken("abc", "abc")).toBe(true);
  for (const other of ["abd", "ab", "abcd", "", "ABC"]) expect(sameToken("abc", other)).toBe(false);
});

test.each(["", "two words", "line\nbreak", "ü", 'quo"te'])(
  "%j is no token, and the message does not repeat it",
  (token) => {
    expect(() => assertToken(token)).toThrow(expect.objectContaining({ code: "ERR_TOKEN" }));
    expect(() => assertToken(token)).not.toThrow(token === "" ? "''" : token);
  },
);

test.each([undefined, "", "Bearer", "Bearer ", "Basic abc", "Bearer a b", "abc"])("%j carries no token", (header) => {
  expect(bearerToken(header)).toBeUndefined();
});
