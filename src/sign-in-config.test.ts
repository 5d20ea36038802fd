import { expect, test } from 'vitest';
import { readSignInProviders } from './sign-in-config.ts';
import { readSettings } from './settings.ts';

function read(env: Record<string, string>) {
  const problems: string[] = [];
  const providers = readSignInProviders(readSettings(env).settings, problems);
  return { providers, problems };
}

const PUBLIC = { PUBLIC_URL: 'https://studio.example.com' };

test('each provider that is set is there, Google as the issuer it is', () => {
  const { providers, problems } = read({
    ...PUBLIC,
    OIDC_ISSUER: 'https://login.example.com',
    OIDC_CLIENT_ID: 'a',
    OIDC_TRUST_EMAILS: 'true',
    GOOGLE_CLIENT_ID: 'b',
    GOOGLE_CLIENT_SECRET: 'secret-b',
    GITHUB_CLIENT_ID: 'c',
    GITHUB_CLIENT_SECRET: 'secret-c',
  });
  expect(problems).toEqual([]);
  expect(providers).toMatchObject([
    { id: 'oidc', kind: 'oidc', issuer: 'https://login.example.com', trustsEmails: true },
    { id: 'google', kind: 'oidc', issuer: 'https://accounts.google.com', trustsEmails: false },
    { id: 'github', kind: 'github', url: 'https://github.com' },
  ]);
  expect(JSON.stringify(providers)).not.toContain('secret-');
});

test('what is missing is named', () => {
  expect(read({ OIDC_ISSUER: 'https://a.example.com' }).problems).toEqual([
    'OIDC_ISSUER needs OIDC_CLIENT_ID.',
  ]);
  expect(read({ ...PUBLIC, GOOGLE_CLIENT_ID: 'x', GITHUB_CLIENT_ID: 'y' }).problems).toEqual([
    'GOOGLE_CLIENT_ID needs GOOGLE_CLIENT_SECRET.',
    'GITHUB_CLIENT_ID needs GITHUB_CLIENT_SECRET.',
  ]);
  expect(read({ GITHUB_CLIENT_ID: 'x', GITHUB_CLIENT_SECRET: 'secret-x' }).problems).toEqual([
    'Signing in with GitHub needs PUBLIC_URL: the address that people are sent back to.',
  ]);
  expect(read({})).toEqual({ providers: [], problems: [] });
});
