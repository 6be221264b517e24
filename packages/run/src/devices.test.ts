/** Tests the groups of devices, and the line about results that differ on other devices. */
import { expect, test } from "vitest";
import {
  type DeviceGroup,
  deviceKey,
  differentBitsLine,
  groupDevices,
  mergeDevices,
  type RunDevice,
  threadsToKeep,
} from "./devices.ts";

const device: RunDevice = { backend: "native", libraryVersion: "2.21.0", instructionSet: "AVX512", threads: 1 };
const three = groupDevices([device, device, device]);
const one = groupDevices([device]);

test("devices that differ in one property have different keys", () => {
  const others = [
    { backend: "wasm" },
    { libraryVersion: "3" },
    { gpu: "NVIDIA H200" },
    { instructionSet: "AVX2" },
    { threads: 2 },
  ];
  const keys = [device, ...others.map((other) => ({ ...device, ...other }))].map(deviceKey);
  expect(new Set(keys).size).toBe(keys.length);
});

test("devices that are alike form one group", () => {
  const other = { ...device, threads: 2 };
  expect(groupDevices([device, other, device])).toEqual([
    { ...device, workers: 2 },
    { ...other, workers: 1 },
  ]);
});

test("devices that join later are added, and a group has its largest number of workers", () => {
  const other = groupDevices([{ ...device, threads: 2 }]);
  expect(mergeDevices(three, one)).toEqual(three);
  expect(mergeDevices(one, [...three, ...other])).toEqual([...three, ...other]);
});

test("with fixed slices a resume keeps the threads that the machine has chosen", () => {
  for (const before of [one, three]) expect(threadsToKeep(before, { sliceRows: 4 })).toBe(1);
});

test("without fixed slices a resume has no threads to keep", () => {
  for (const before of [one, three]) expect(threadsToKeep(before, { sliceRows: undefined })).toBeUndefined();
});

test("the one thread of a backend without a choice is not kept for another backend", () => {
  expect(threadsToKeep(groupDevices([{ ...device, backend: "wasm" }]), { sliceRows: 4 })).toBeUndefined();
});

test("a run of unlike devices, or of an earlier version, has no threads to keep", () => {
  const unlike = groupDevices([device, { ...device, threads: 2 }]);
  expect(threadsToKeep(unlike, { sliceRows: 4 })).toBeUndefined();
  expect(threadsToKeep(undefined, { sliceRows: 4 })).toBeUndefined();
});

const computed = (devices: DeviceGroup[], arithmetic = 1) => ({ arithmetic, devices });
const fixed = { sliceRows: 4 };

test("a resume on other devices says that its bits differ, and why", () => {
  const now = groupDevices([{ ...device, instructionSet: "AVX2", threads: 2 }]);
  expect(differentBitsLine(computed(three), computed(now), fixed)).toBe(
    "the results may differ in their last bits from those of an uninterrupted run: it was computed with AVX512 " +
      "instructions with 1 thread, and is now computed with AVX2 instructions with 2 threads; use --threads 1 for as many threads as before",
  );
  const wasm = groupDevices([{ ...device, backend: "wasm" }]);
  expect(differentBitsLine(computed(three), computed(wasm), fixed)).toMatch(
    /computed on the native backend, and is now computed on the wasm backend$/,
  );
});

test("a resume with another version of the arithmetic says so", () => {
  expect(differentBitsLine(computed(one), computed(one, 2), fixed)).toMatch(
    /the version of Lockstep's arithmetic was 1, and is now 2$/,
  );
});

test("a resume on like devices, or without fixed slices, has no line about its bits", () => {
  const other = groupDevices([{ ...device, threads: 2 }]);
  expect(differentBitsLine(computed(three), computed(one), fixed)).toBeUndefined();
  expect(differentBitsLine(computed(three), computed(other), {})).toBeUndefined();
  expect(differentBitsLine({}, computed(other), fixed)).toBeUndefined();
  expect(differentBitsLine(computed(one), computed(other), {})).toBeDefined();
});
