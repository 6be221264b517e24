/** Finding a coordinator on the local network, and announcing one. */
export { type Announcement, type AnnounceOptions, announce, type DiscoverOptions, discover } from "./discovery.ts";
