/** The folder in which data sets are kept. */
import { join } from "node:path";
import { userFolder } from "@lockstep/files";

/** Returns the folder of a data set, if --data-dir names none: in LOCKSTEP_DATA, else in the user's cache folder. */
export function defaultDataDir(dataset: string): string {
  const cache = () => userFolder({ variable: "XDG_CACHE_HOME", name: ".cache", instead: "LOCKSTEP_DATA" });
  return join(process.env["LOCKSTEP_DATA"] || join(cache(), "data"), dataset);
}
