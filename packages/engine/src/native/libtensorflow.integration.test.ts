/** Checks where the library is found, in folders of empty files and with a fake Python. */
import { writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { expect, test, vi } from "vitest";
import { emptyMachine, fakeProgram, tempDir, writeFiles } from "../testing/fakes.ts";
import {
  libtensorflowIn,
  namedLibtensorflow,
  pythonsCudaLibtensorflow,
  pythonsLibtensorflow,
} from "./libtensorflow.ts";

const HEADER = "include/tensorflow/c/eager/c_api.h";

function folderWith(...names: string[]): string {
  const dir = tempDir();
  writeFiles(dir, names);
  return dir;
}

test.each(["libtensorflow_cc.so.2", "lib/libtensorflow_cc.so.2", "lib/libtensorflow.so.2"])(
  "a libtensorflow may be %s",
  (name) => {
    const dir = folderWith(name, HEADER);
    expect(libtensorflowIn(dir)).toEqual({ file: join(dir, name), includeDir: join(dir, "include") });
  },
);

test("a library without headers is no libtensorflow, nor are headers without a library", () => {
  expect(libtensorflowIn(folderWith("libtensorflow_cc.so.2"))).toBeUndefined();
  expect(libtensorflowIn(folderWith(HEADER))).toBeUndefined();
});

test("LOCKSTEP_LIBTENSORFLOW may be a relative path", () => {
  emptyMachine();
  expect(namedLibtensorflow()).toBeUndefined();
  const dir = folderWith("libtensorflow_cc.so.2", HEADER);
  vi.stubEnv("LOCKSTEP_LIBTENSORFLOW", relative(process.cwd(), dir));
  expect(namedLibtensorflow()?.file).toBe(join(dir, "libtensorflow_cc.so.2"));
});

test("a wrong LOCKSTEP_LIBTENSORFLOW is an error with the expected files", () => {
  emptyMachine();
  const dir = folderWith("libtensorflow_cc.so.2");
  vi.stubEnv("LOCKSTEP_LIBTENSORFLOW", dir);
  expect(namedLibtensorflow).toThrow(
    `one of libtensorflow_cc.so.2, lib/libtensorflow_cc.so.2, lib/libtensorflow.so.2, but ${dir} does not.`,
  );
  vi.stubEnv("LOCKSTEP_LIBTENSORFLOW", "/no/such/folder");
  expect(namedLibtensorflow).toThrow("but /no/such/folder does not exist.");
});

test("Python's libtensorflow is found", async () => {
  const bin = emptyMachine();
  expect(await pythonsLibtensorflow()).toBeUndefined();
  const dir = folderWith("libtensorflow_cc.so.2", HEADER);
  fakeProgram(bin, "python3", `console.log(${JSON.stringify(dir)})`);
  expect((await pythonsLibtensorflow())?.file).toBe(join(dir, "libtensorflow_cc.so.2"));
});

test.each([
  ["('cuda_version', '12.5.1'), ('cudnn_version', '9'), ('is_cuda_build', True)", true],
  ["('cuda_version', '11.8'), ('is_cuda_build', True)", false],
  ["('is_cuda_build', False), ('is_rocm_build', False)", false],
])("Python's libtensorflow with the build_info %s is built for CUDA 12: %s", async (buildInfo, expected) => {
  const dir = folderWith("libtensorflow_cc.so.2", HEADER, "python/platform/build_info.py");
  writeFileSync(join(dir, "python/platform/build_info.py"), `build_info = OrderedDict([${buildInfo}])\n`);
  fakeProgram(emptyMachine(), "python3", `console.log(${JSON.stringify(dir)})`);
  expect(await pythonsCudaLibtensorflow()).toEqual(expected ? libtensorflowIn(dir) : undefined);
});
