import { homedir } from "node:os";
import { join } from "node:path";

/** Where data sets are kept unless --data-dir says otherwise: LOCKSTEP_DATA, else the user's cache folder. */
export function defaultDataDir(dataset: string): string {
  const cache = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  return join(process.env["LOCKSTEP_DATA"] || join(cache, "lockstep", "data"), dataset);
}
