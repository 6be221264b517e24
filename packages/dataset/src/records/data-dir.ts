/** Locates the folder of data sets. */
import { join } from "node:path";
import { userFolder } from "@lockstep/files";

/** Returns a data set's folder in the absence of --data-dir: in LOCKSTEP_DATA, or else in the user's cache folder. */
export function defaultDataDir(dataset: string): string {
  const cache = () => userFolder({ variable: "XDG_CACHE_HOME", name: ".cache", instead: "LOCKSTEP_DATA" });
  return join(process.env["LOCKSTEP_DATA"] || join(cache(), "data"), dataset);
}
