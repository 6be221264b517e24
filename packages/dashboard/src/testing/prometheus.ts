/** Reads the text format of Prometheus. */
import { defined } from "@lockstep/testing";

/** The types of all metrics, and the values of all samples. A sample's key is its name and its sorted labels. */
export interface Metrics {
  types: Record<string, string>;
  values: Record<string, number>;
}

/** Parses the format's version 0.0.4: `name{label="value"} number`. @throws Error if a line is not of the format */
export function parseMetrics(text: string): Metrics {
  const metrics: Metrics = { types: {}, values: {} };
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("# HELP ")) continue;
    const [, typed, type] = /^# TYPE (\S+) (gauge|counter)$/.exec(line) ?? [];
    if (typed !== undefined) metrics.types[typed] = defined(type);
    else addSample(metrics, line);
  }
  return metrics;
}

function addSample({ types, values }: Metrics, line: string): void {
  const [, name, labels = "", value] = defined(/^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line), line);
  const pairs = [...labels.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"(?:,|$)/g)];
  if (pairs.map(([pair]) => pair).join("") !== labels) throw new Error(`Expected labels, got ${line}`);
  if (!(defined(name) in types)) throw new Error(`Expected a type before ${line}`);
  const key = pairs.map(([, label, escaped]) => `${label}=${defined(escaped).replace(/\\(.)/g, "$1")}`).sort();
  values[[name, ...key].join(" ")] = Number(value);
}
