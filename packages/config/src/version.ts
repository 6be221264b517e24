/** Which Lockstep this is. */
import packageJson from "../package.json" with { type: "json" };

/** Version of Lockstep. */
export const version: string = packageJson.version;
