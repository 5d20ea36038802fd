import ipaddr from 'ipaddr.js';

/**
 * Whether an IP address belongs to the public internet. Everything else (loopback, private, link-local,
 * carrier-grade NAT, multicast, reserved, documentation) is not, nor is IPv6 that carries an IPv4 address
 * inside (mapped, 6to4, NAT64, Teredo): those are judged by the address they lead to, or refused.
 */
export function isPublicAddress(text: string): boolean {
  if (!ipaddr.isValid(text)) return false;
  const address = ipaddr.process(text);
  if (address.range() !== 'unicast') return false;
  return address.kind() === 'ipv4' || !isSixteenBitEmbedding(address as ipaddr.IPv6);
}

/** IPv4-compatible addresses (`::a.b.c.d`), which ipaddr.js reads as ordinary unicast. */
function isSixteenBitEmbedding(address: ipaddr.IPv6): boolean {
  return address.parts.slice(0, 6).every((part) => part === 0);
}
