/** Multicast DNS on every network interface of this machine. */
import { networkInterfaces } from "node:os";
import { Bonjour } from "bonjour-service";

/** The mDNS service type of coordinators, without the underscore. */
export const SERVICE_TYPE = "lockstep";

/**
 * Opens one responder for each network interface: left to itself, one responder speaks only on the interface of the default
 * route, and not at all on a network that has none. Tells `onProblem` once if none of them works. Never throws.
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
  // Bound to the wildcard address, since a socket bound to one address receives no multicast.
  const options: object = { interface: address, bind: "0.0.0.0" };
  const responder = new Bonjour(options, () => {}); // What cannot be sent now is sent again when somebody asks.
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
  mdns.on("error", fail); // Without a listener it would end the process.
  mdns.on("ready", () => {
    if (!joined) return fail();
    mdns.query(`_${SERVICE_TYPE}._tcp.local`, "PTR", (error?: Error | null) => {
      if (error) fail(error);
    });
  });
  return responder;
}

/** The first IPv4 address of each network interface; of loopback only if there is nothing else. */
function multicastAddresses(): string[] {
  const firsts = Object.values(networkInterfaces()).flatMap(
    (addresses) => addresses?.find(({ family }) => family === "IPv4") ?? [],
  );
  const outer = firsts.filter(({ internal }) => !internal);
  return (outer.length > 0 ? outer : firsts).map(({ address }) => address);
}

/** Tells the network that nothing is offered any more, then ends the responder. */
export async function withdraw(responder: Bonjour): Promise<void> {
  await new Promise((resolve) => responder.unpublishAll(resolve));
  await end(responder);
}

/** Ends the sockets and timers of a responder. */
export async function end(responder: Bonjour): Promise<void> {
  await new Promise<void>((resolve) => responder.destroy(resolve));
}
