import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface GithubUser {
  id: number;
  login: string;
  name: string | null;
  emails: { email: string; primary: boolean; verified: boolean }[];
}

export interface GithubServer {
  url: string;
  /** Who is signed in there, and agrees to everything. */
  user: GithubUser;
  close(): Promise<void>;
}

const CLIENT = { client_id: 'studio', client_secret: 'github-secret' };

/** What a GitHub Enterprise Server answers to an OAuth app: codes and tokens that work once, for their own client only. */
export async function startGithub(user: GithubUser): Promise<GithubServer> {
  const codes = new Map<string, { challenge: string; redirect: string }>();
  const tokens = new Map<string, GithubUser>();

  async function answer(
    request: IncomingMessage,
  ): Promise<{ status?: number; location?: string; json?: unknown }> {
    const url = new URL(request.url ?? '', 'http://github');
    if (url.pathname === '/login/oauth/authorize') {
      const {
        client_id,
        redirect_uri: redirect = '',
        state = '',
        code_challenge: challenge = '',
      } = Object.fromEntries(url.searchParams);
      if (client_id !== CLIENT.client_id) return { status: 404 };
      const code = `code-${codes.size}`;
      codes.set(code, { challenge, redirect });
      return { status: 302, location: `${redirect}?${new URLSearchParams({ code, state }).toString()}` };
    }
    if (url.pathname === '/login/oauth/access_token' && request.method === 'POST') {
      const form = Object.fromEntries(new URLSearchParams(await text(request)));
      const issued = codes.get(form['code'] ?? '');
      codes.delete(form['code'] ?? '');
      const digest = createHash('sha256')
        .update(form['code_verifier'] ?? '')
        .digest('base64url');
      const isRight =
        issued?.challenge === digest &&
        issued.redirect === form['redirect_uri'] &&
        form['client_id'] === CLIENT.client_id &&
        form['client_secret'] === CLIENT.client_secret;
      if (!isRight) return { json: { error: 'bad_verification_code' } };
      const token = `gho_${tokens.size}`;
      tokens.set(token, server.user);
      return { json: { access_token: token, token_type: 'bearer', scope: 'read:user,user:email' } };
    }
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    const whose = tokens.get(token);
    if (!whose || request.headers['user-agent'] === undefined) return { status: 401, json: {} };
    const { emails, ...profile } = whose;
    if (url.pathname === '/api/v3/user') return { json: { ...profile, email: null } };
    if (url.pathname === '/api/v3/user/emails') return { json: emails };
    return { status: 404, json: {} };
  }

  const http = createServer(async (request, response) => {
    const { status = 200, location, json } = await answer(request);
    const headers = { 'content-type': 'application/json', connection: 'close' };
    response.writeHead(status, location === undefined ? headers : { ...headers, location });
    response.end(json === undefined ? '' : JSON.stringify(json));
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const server: GithubServer = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    user,
    async close() {
      const closed = once(http, 'close');
      http.close();
      http.closeAllConnections();
      await closed;
    },
  };
  return server;
}
