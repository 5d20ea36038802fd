import type { App } from './app.ts';
import type { Config } from './config.ts';

/** What a person needs to see after the start: where to go, the key, a first request. */
export function banner(facts: { address: string; app: App; config: Config; startedInMs: number }): string {
  const { address, app, config, startedInMs } = facts;
  const seconds = (startedInMs / 1000).toFixed(1);
  if (config.role === 'worker')
    return `\n  Sora Studio worker at work (started in ${seconds} s), health at ${address}/health\n\n`;
  const key = app.apiKey.generated ? app.apiKey.key : '(the API_KEY you set)';
  const shownKey = app.apiKey.generated ? app.apiKey.key : '$API_KEY';
  return `
  Sora Studio is ready (started in ${seconds} s)

    API docs      ${address}/docs
    API key       ${key}${firstAdmin(app.firstAdminToken)}
    OpenAI base   ${address}/v1
    Models        ${shorten(app.models)}
    Data          ${config.dataDir}${config.database.url === undefined ? '' : ' (database: DATABASE_URL)'}

  Make a first video:

    curl ${address}/api/v1/videos -H "Authorization: Bearer ${shownKey}" \\
      -H "Content-Type: application/json" -d '{"prompt": "A paper boat on a mountain lake"}'

`;
}

function firstAdmin(token: string | undefined): string {
  return token === undefined
    ? ''
    : `\n    First admin   nobody yet; from another machine with the token ${token}`;
}

function shorten(models: readonly string[]): string {
  const [first = '(none)', ...rest] = models;
  const shown = rest.slice(0, 4);
  const more = rest.length - shown.length;
  return [`${first} (default)`, ...shown].join(', ') + (more > 0 ? ` and ${more} more` : '');
}
