/** Multicast DNS responders on all network interfaces of this machine. */
import { networkInterfaces } from "node:os";
import { Bonjour } from "bonjour-service";

/** The mDNS service type of coordinators, without the underscore. */
export const SERVICE_TYPE = "lockstep";

/**
 * Opens one responder per network interface. A single responder would use only the interface of the default route, and
 * none on a network without a default route. Calls `onProblem` once if no responder works. Never throws.
 */
export function openResponders(onProblem: (reason: string) => void = () => {}): Bonjour[] {
  const addresses = multicastAddresses();
  if (addresses.length === 0) onProblem("no network interface has an IPv4 address");
  let failed = 0;
  const onFailure = (reason: string) => {
    failed++;
    if (failed === addresses.length) onProblem(reason);
  };
  return addresses.map((address) => openResponder(address, onFailure));
}

function openResponder(address: string, onFailure: (reason: string) => void): Bonjour {
  // A socket that is bound to one address receives no multicast, so this one is bound to the wildcard address.
  const options: object = { interface: address, bind: "0.0.0.0" };
  const responder = new Bonjour(options, () => {}); // a failed send is repeated at the next query
  const { mdns } = responder["server"];
  let joined = false;
  let failed = false;
  const fail = (error?: Error | null) => {
    if (failed) return;
    failed = true;
    onFailure(`no multicast on ${address}${error?.message === undefined ? "" : ` (${error.message})`}`);
  };
  mdns.on("networkInterface", () => {
    joined = true;
  });
  mdns.on("error", fail); // without a listener, an error would end the process
  mdns.on("ready", () => {
    if (!joined) return fail();
    mdns.query(`_${SERVICE_TYPE}._tcp.local`, "PTR", (error?: Error | null) => {
      if (error) fail(error);
    });
  });
  return responder;
}

/** Returns the first IPv4 address of each network interface; of loopback only without any other interface. */
function multicastAddresses(): string[] {
  const firsts = Object.values(networkInterfaces()).flatMap(
    (addresses) => addresses?.find(({ family }) => family === "IPv4") ?? [],
  );
  const outer = firsts.filter(({ internal }) => !internal);
  return (outer.length > 0 ? outer : firsts).map(({ address }) => address);
}

/** Withdraws all announcements of a responder, then closes it. */
export async function withdraw(responder: Bonjour): Promise<void> {
  await new Promise((resolve) => responder.unpublishAll(resolve));
  await end(responder);
}

/** Closes the sockets and timers of a responder. */
export async function end(responder: Bonjour): Promise<void> {
  await new Promise<void>((resolve) => responder.destroy(resolve));
}
