import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPublicAddress } from './addresses.ts';

/** Addresses that lead into a private network, to this machine, to a cloud's metadata, or nowhere. */
const PRIVATE = `
  0.0.0.0 0.1.2.3 127.0.0.1 127.1.2.3 127.255.255.254 10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255
  192.168.0.1 192.168.255.255 169.254.169.254 169.254.0.1 100.64.0.1 100.100.100.200 100.127.255.255 192.0.0.1
  192.0.0.192 192.0.2.1 192.88.99.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255
  240.0.0.1 255.255.255.255
  :: ::1 0:0:0:0:0:0:0:1 fc00::1 fd00:ec2::254 fdff::1 fe80::1 febf::1 fec0::1 ff00::1 ff02::1 100::1 2001:db8::1
  3fff::1 5f00::1
  ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:7f00:1 0:0:0:0:0:ffff:0a00:0001
  ::127.0.0.1 ::10.0.0.1 ::7f00:1 ::169.254.169.254 ::ffff:0:127.0.0.1
  64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 2002:7f00:1:: 2002:a00:1:: 2002:a9fe:a9fe::
  2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1 2001:20::1
  fe80::5efe:127.0.0.1
`
  .trim()
  .split(/\s+/);

const PUBLIC =
  '1.1.1.1 8.8.8.8 93.184.216.34 172.15.0.1 172.32.0.1 100.63.255.255 100.128.0.1 2606:4700::1111 2a00:1450:4001::8a'.split(
    ' ',
  );

/** Not addresses at all, or spelled in a way that different parsers read differently. */
const ODD = [
  '',
  ' ',
  'localhost',
  'example.com',
  '127.0.0.1:80',
  '[::1]',
  '1.1.1.1/24',
  '1.1.1.1 ',
  '::1%lo',
  'fe80::1%eth0',
  '256.1.1.1',
  '1.1.1.1.1',
  '1:2:3',
  '127.1 ',
  'http://1.1.1.1',
];

describe('isPublicAddress', () => {
  it.each(PRIVATE)('refuses %s', (address) => expect(isPublicAddress(address)).toBe(false));
  it.each(PUBLIC)('allows %s', (address) => expect(isPublicAddress(address)).toBe(true));
  it.each(ODD)('refuses what is no plain address: "%s"', (text) => expect(isPublicAddress(text)).toBe(false));

  it.each(['2130706433', '0x7f000001', '0177.0.0.1', '0x7f.1', '127.1', '017700000001', '0xa9fea9fe'])(
    'refuses other spellings of private addresses: %s',
    (text) => expect(isPublicAddress(text)).toBe(false),
  );

  it('judges an address inside IPv6 as the address itself', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(isPublicAddress(`::ffff:${address}`)).toBe(isPublicAddress(address));
        expect(isPublicAddress(`::${address}`)).toBe(isPublicAddress(address));
        expect(isPublicAddress(`64:ff9b::${address}`)).toBe(false);
      }),
    );
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.ipV6()), (text) => typeof isPublicAddress(text) === 'boolean'),
    );
  });
});
