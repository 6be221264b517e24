/** The version of Lockstep, from package.json. */
import packageJson from "../package.json" with { type: "json" };

/** Version of Lockstep. */
export const version: string = packageJson.version;
