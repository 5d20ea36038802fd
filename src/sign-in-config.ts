import type { SignInProviderOptions } from './accounts/sign-in-providers.ts';
import type { Settings } from './settings.ts';

const GOOGLE_ISSUER = 'https://accounts.google.com';

/** With whose accounts one can sign in, as the settings say; what is missing goes into `problems`. */
export function readSignInProviders(settings: Settings, problems: string[]): SignInProviderOptions[] {
  const providers: SignInProviderOptions[] = [];
  const complain = (name: string, missing: string) => problems.push(`${name} needs ${missing}.`);

  const { OIDC_ISSUER: issuer, OIDC_CLIENT_ID: oidcClient } = settings;
  if (issuer !== undefined && oidcClient === undefined) complain('OIDC_ISSUER', 'OIDC_CLIENT_ID');
  else if (issuer !== undefined && oidcClient !== undefined) {
    providers.push({
      kind: 'oidc',
      id: 'oidc',
      name: settings.OIDC_NAME,
      issuer,
      clientId: oidcClient,
      clientSecret: settings.OIDC_CLIENT_SECRET,
      trustsEmails: settings.OIDC_TRUST_EMAILS,
    });
  }

  const { GOOGLE_CLIENT_ID: googleClient, GOOGLE_CLIENT_SECRET: googleSecret } = settings;
  if (googleClient !== undefined && !googleSecret) complain('GOOGLE_CLIENT_ID', 'GOOGLE_CLIENT_SECRET');
  else if (googleClient !== undefined) {
    providers.push({
      kind: 'oidc',
      id: 'google',
      name: 'Google',
      issuer: GOOGLE_ISSUER,
      clientId: googleClient,
      clientSecret: googleSecret,
      trustsEmails: false,
    });
  }

  const { GITHUB_CLIENT_ID: githubClient, GITHUB_CLIENT_SECRET: githubSecret } = settings;
  if (githubClient !== undefined && !githubSecret) complain('GITHUB_CLIENT_ID', 'GITHUB_CLIENT_SECRET');
  else if (githubClient !== undefined && githubSecret) {
    providers.push({
      kind: 'github',
      id: 'github',
      name: 'GitHub',
      url: settings.GITHUB_URL,
      clientId: githubClient,
      clientSecret: githubSecret,
    });
  }

  const [first] = providers;
  if (first && settings.PUBLIC_URL === undefined) {
    problems.push(
      `Signing in with ${first.name} needs PUBLIC_URL: the address that people are sent back to.`,
    );
  }
  return providers;
}
