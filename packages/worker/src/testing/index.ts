/** For tests of other packages: a connection without a thread of its own. */

export { connectOnThisThread } from "./connect-on-this-thread.ts";
