/** Connections to the outside: downloads, and proxies. */
export { shownUrl } from "./answer.ts";
export { type Download, download, reasonOf } from "./download.ts";
export { isLoopback, type NamedProxy, proxyFor } from "./proxy.ts";
export { openTunnel } from "./tunnel.ts";
