/** Formats numbers for people. */

/** Formats a whole number: `36,113,290`. */
export const count = (value: number): string => Math.round(value).toLocaleString("en");

/** Formats a fraction as a percentage: `12.3 %`. */
export const percent = (fraction: number, digits = 1): string => `${(100 * fraction).toFixed(digits)} %`;

/** Formats a number of bytes in decimal units: `950 kB`, `12.7 MB`. */
export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = value < 1 ? 0 : Math.min(Math.floor(Math.log10(value) / 3), units.length - 1);
  const scaled = value / 1000 ** power;
  return `${scaled.toFixed(power === 0 || scaled >= 100 ? 0 : 1)} ${units[power]}`;
}

/** Formats milliseconds: `0.4 ms`, `35 ms`, `1.2 s`. */
export function milliseconds(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(ms >= 10_000 ? 0 : 1)} s`;
  return `${ms.toFixed(ms >= 10 ? 0 : 1)} ms`;
}

/** Formats seconds: `42 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  const rounded = Math.round(seconds);
  if (rounded < 60) return `${rounded} s`;
  if (rounded < 3600) return `${Math.floor(rounded / 60)} min ${rounded % 60} s`;
  return `${Math.floor(rounded / 3600)} h ${Math.floor((rounded % 3600) / 60)} min`;
}

/** Formats the local time of an event, with its date unless that is today: `19:05:12`, `3 Nov 2026, 19:05:12`. */
export function eventTime(time: Date, now: Date): string {
  const clock = time.toLocaleTimeString("en-GB");
  if (time.toDateString() === now.toDateString()) return clock;
  return `${time.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" })}, ${clock}`;
}

/** Formats a number with three significant digits, or as a whole number from 1,000 on. */
export function figure(value: number): string {
  if (value === 0) return "0";
  if (Math.abs(value) >= 1000) return count(value);
  return value.toPrecision(3);
}

/** Distances between the ticks of an axis: 1, 2 and 5 times each power of ten, so that the ticks are round numbers. */
export const ROUND_STEPS: readonly number[] = Array.from({ length: 25 }, (_, i) => i - 12).flatMap((power) =>
  [1, 2, 5].map((digit) => Number(`${digit}e${power}`)),
);

/** Formats the ticks of an axis that are `step` apart, with as many decimals as distinguish them. */
export function markLabels(marks: readonly number[], step: number, unit: "number" | "percent"): string[] {
  if (unit === "percent") return marks.map((mark) => percent(mark, decimalsOf(100 * step)));
  const decimals = { minimumFractionDigits: decimalsOf(step), maximumFractionDigits: decimalsOf(step) };
  return marks.map((mark) => mark.toLocaleString("en", decimals));
}

/** Returns the number of decimals that write a value in full, up to 12. */
function decimalsOf(value: number): number {
  return Number(value.toPrecision(3)).toFixed(12).replace(/0+$/, "").split(".")[1]?.length ?? 0;
}
