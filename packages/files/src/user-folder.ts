/** Lockstep's folders in the user's home. */
import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import { LockstepError } from "@lockstep/errors";

/** A kind of folder that each user has. */
export interface UserFolder {
  /** The environment variable that names it, by the XDG convention. */
  variable: "XDG_CACHE_HOME" | "XDG_CONFIG_HOME";
  /** Its place in the home folder, if that variable is not set. */
  name: ".cache" | ".config";
  /** The environment variable of Lockstep that a user without a home folder can set. */
  instead: string;
}

/**
 * Returns Lockstep's folder in the user's folder of this kind.
 *
 * @throws LockstepError ERR_NO_HOME if this user has none
 */
export function userFolder({ variable, name, instead }: UserFolder): string {
  return join(process.env[variable] || join(homeFolder(instead), name), "lockstep");
}

/** Returns the home folder; in a container a user may have neither a HOME nor an entry in the list of users. */
function homeFolder(instead: string): string {
  try {
    return homedir() || userInfo().homedir;
  } catch (cause) {
    throw new LockstepError(
      "ERR_NO_HOME",
      `Expected a home folder, but HOME is not set, and the system knows no user ${process.getuid?.()}. Name a folder in ${instead}, or set HOME.`,
      { cause },
    );
  }
}
