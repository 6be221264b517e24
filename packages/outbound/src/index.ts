/** The outbound package: downloads, and connections through proxies. */

export { type Download, download, reasonOf } from "./download.ts";
export { redactedUrl } from "./get.ts";
export { isLoopback, type NamedProxy, proxyFor } from "./proxy.ts";
export { openTunnel } from "./tunnel.ts";
