/** Checks the form of each gradient against times worked out by hand for links and products. */
import { expect, test } from "vitest";
import { type Links, type PlanInput, planForms } from "./plan.ts";

const tensor = (name: string, ...shape: number[]) => ({ name, shape, dtype: "float32" as const });
const tensors = [
  tensor("conv.kernel", 3, 3, 2, 4),
  tensor("large.kernel", 1000, 1000),
  tensor("large.bias", 1000),
  tensor("small.kernel", 10, 10),
];
/** Links of 1 MB/s, and a GPU whose time is negligible. */
const links: Links = { workers: 2, linkBytesPerSecond: 1e6, gemmFlopsPerSecond: 1e15 };
const input: PlanInput = {
  tensors,
  factorable: [false, true, false, true],
  sync: "auto",
  wire: "fp32",
  batchSize: 32,
  links,
};

test("the form auto is the faster one for each layer, as worked out by hand", () => {
  // large: dense 4 bytes · 2 · 10⁶ = 8 s; factored 4 bytes · 32 rows · 2000 = 0.256 s.
  // small: dense 4 bytes · 2 · 100 = 0.8 ms; factored 4 bytes · 32 rows · 20 = 2.56 ms.
  expect(planForms(input)).toEqual(["dense", "factored", "dense", "dense"]);
});

test("the form auto becomes dense as the rows of the batch grow", () => {
  // The bytes are the same where 2 · 10⁶ = rows · 2000, at 1000 rows.
  const formAt = (batchSize: number) => planForms({ ...input, batchSize })[1];
  expect([formAt(999), formAt(1001)]).toEqual(["factored", "dense"]);
});

/**
 * For the large layer dense takes 8 · 10⁶ bytes and 2 · ownRows · 10⁶ operations, factored 256,000 bytes and
 * 64 · 10⁶ operations. With 16 own rows factored is as fast at 32 · 10⁶ / flops = 7.744 · 10⁶ / bytes per second.
 */
test.each([
  ["2 workers, fp32", {}, 2, 0.242e9],
  ["4 workers have fewer own rows, so dense has less to multiply", {}, 4, (7.744 / 48) * 1e9],
  ["bf16 halves the bytes, but no product", { wire: "bf16" as const }, 2, 0.121e9],
])("the form auto weighs bytes against the product of the factors: %s", (_, change, workers, evenBytesPerSecond) => {
  const formAt = (share: number) => {
    const linkBytesPerSecond = share * evenBytesPerSecond;
    return planForms({ ...input, ...change, links: { workers, linkBytesPerSecond, gemmFlopsPerSecond: 1e9 } })[1];
  };
  expect([formAt(0.999), formAt(1.001)]).toEqual(["factored", "dense"]);
});

test("the form auto without measured links is factored wherever that is possible, for any batch", () => {
  const forms = ["dense", "factored", "dense", "factored"];
  expect(planForms({ ...input, links: undefined, batchSize: 1e6 })).toEqual(forms);
});

test("the forms dense and factored are used even if they are slower, but tensors without factors stay dense", () => {
  expect(planForms({ ...input, sync: "dense" })).toEqual(["dense", "dense", "dense", "dense"]);
  expect(planForms({ ...input, sync: "dense", links: undefined })).toEqual(["dense", "dense", "dense", "dense"]);
  expect(planForms({ ...input, sync: "factored" })).toEqual(["dense", "factored", "dense", "factored"]);
  expect(planForms({ ...input, factorable: [false, false, false, false] })).toEqual([
    "dense",
    "dense",
    "dense",
    "dense",
  ]);
});
