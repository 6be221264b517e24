/** Lets PyTorch itself load a file that was written here. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { defined, temporaryFolder } from "@lockstep/testing";
import { expect, test } from "vitest";
import { tensors } from "../testing/pth-tensors.ts";
import { writePth } from "./pth.ts";

const path = join(temporaryFolder(), "x.pth");
const python = process.env["LOCKSTEP_TEST_PYTHON"];

test.skipIf(!python)(
  "PyTorch loads a file of writePth with weights_only=True (needs LOCKSTEP_TEST_PYTHON)",
  async () => {
    await writePth(path, tensors);
    const script = `
import sys, json, torch
for mmap in (False, True):
    state = torch.load(sys.argv[1], weights_only=True, mmap=mmap)
    assert type(state).__name__ == "OrderedDict" and all(t.dtype == torch.float32 for t in state.values())
print(json.dumps([[name, list(t.shape), t.flatten().tolist()] for name, t in state.items()]))`;
    const loaded = JSON.parse(execFileSync(defined(python), ["-c", script, path], { encoding: "utf8" }));
    expect(loaded).toEqual(tensors.map(({ name, shape, data }) => [name, shape, [...data]]));
  },
);
