export { type Announcement, type AnnounceOptions, announce, type DiscoverOptions, discover } from "./discovery.ts";
