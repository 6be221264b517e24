/** Locates Lockstep's folders in the user's home. */
import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import { LockstepError } from "@lockstep/errors";

/** A kind of folder that each user has, such as the cache. */
export interface UserFolder {
  /** The environment variable that names it, by the XDG convention. */
  variable: "XDG_CACHE_HOME" | "XDG_CONFIG_HOME";
  /** Its name in the home folder, used if that variable is not set. */
  name: ".cache" | ".config";
  /** Lockstep's own environment variable, which a user without a home folder can set. */
  instead: string;
}

/**
 * Returns Lockstep's folder in the user's folder of this kind.
 *
 * @throws LockstepError ERR_NO_HOME if this user has no home folder
 */
export function userFolder({ variable, name, instead }: UserFolder): string {
  return join(process.env[variable] || join(homeFolder(instead), name), "lockstep");
}

/** Returns the home folder. In a container, a user may have neither HOME nor an entry in the system's list of users. */
function homeFolder(instead: string): string {
  try {
    return homedir() || userInfo().homedir;
  } catch (cause) {
    throw new LockstepError(
      "ERR_NO_HOME",
      `Expected a home folder, but HOME is not set and the system has no entry for user ${process.getuid?.()}. ` +
        `Set ${instead} to a folder, or set HOME.`,
      { cause },
    );
  }
}
