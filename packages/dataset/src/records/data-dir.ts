/** The folder in which data sets are kept. */
import { join } from "node:path";
import { userFolder } from "@lockstep/files";

/** Where data sets are kept unless --data-dir says otherwise: LOCKSTEP_DATA, else the user's cache folder. */
export function defaultDataDir(dataset: string): string {
  const cache = () => userFolder({ variable: "XDG_CACHE_HOME", name: ".cache", instead: "LOCKSTEP_DATA" });
  return join(process.env["LOCKSTEP_DATA"] || join(cache(), "data"), dataset);
}
