import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';

export interface SigningKey {
  kid: string;
  alg: string;
  privateKey: CryptoKey;
  jwk: JWK;
}

export async function signingKey(kid: string, alg = 'ES256'): Promise<SigningKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

/** A token issuer: an HTTP server with the keys it is told to publish. */
export interface Issuer {
  jwksUrl: string;
  /** What it publishes; text instead of keys is sent as it is. */
  publish(keys: SigningKey[] | string): void;
  /** How often it was asked. */
  asked(): number;
  /** Goes away and comes back on the same port. */
  close(): Promise<void>;
  open(): Promise<void>;
}

export async function startIssuer(): Promise<Issuer> {
  let body = '{"keys":[]}';
  let asked = 0;
  let server: Server | undefined;
  let port = 0;
  async function open(): Promise<void> {
    server = createServer((_request, response) => {
      asked += 1;
      response.setHeader('content-type', 'application/json');
      response.setHeader('connection', 'close');
      response.end(body);
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  }
  await open();
  return {
    jwksUrl: `http://127.0.0.1:${port}/jwks`,
    publish: (keys) =>
      void (body = typeof keys === 'string' ? keys : JSON.stringify({ keys: keys.map(({ jwk }) => jwk) })),
    asked: () => asked,
    open,
    async close() {
      if (!server) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      server = undefined;
    },
  };
}

/** A signed token; `claims` and `header` win over what is usual. Times in seconds. */
export function signToken(
  { kid, alg, privateKey }: Pick<SigningKey, 'kid' | 'alg' | 'privateKey'>,
  claims: JWTPayload,
  header: { kid?: string | undefined } = {},
): Promise<string> {
  const shown = { kid, ...header };
  return new SignJWT(claims)
    .setProtectedHeader({ alg, ...(shown.kid === undefined ? {} : { kid: shown.kid }) })
    .sign(privateKey);
}
