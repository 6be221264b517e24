/** The discovery package: announces and discovers coordinators on the local network. */
export { type Announcement, type AnnounceOptions, announce, type DiscoverOptions, discover } from "./discovery.ts";
