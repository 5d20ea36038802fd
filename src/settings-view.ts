import type { Json } from './core/json.ts';
import { Secret } from './core/secret.ts';
import { type Setting, SETTINGS, type Settings } from './settings.ts';

export interface SettingView {
  name: string;
  about: string;
  value: Json;
  isDefault: boolean;
}

/** Every setting with what is in force, for people: secrets are redacted, and what addresses carry besides the address. */
export function viewSettings(settings: Settings): SettingView[] {
  return (Object.entries(SETTINGS) as [keyof Settings, Setting<unknown>][]).map(
    ([name, { about, fallback }]) => ({
      name,
      about,
      value: shown(settings[name]),
      isDefault: settings[name] === fallback,
    }),
  );
}

function shown(value: unknown): Json {
  if (value === undefined) return null;
  if (value instanceof Secret) return '[redacted]';
  if (typeof value === 'string') return withoutCredentials(value);
  return JSON.parse(JSON.stringify(value)) as Json;
}

/** A database or an endpoint may be addressed with a name and a password in it, or a token in the query. */
function withoutCredentials(text: string): string {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text) || !URL.canParse(text)) return text;
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') [url.username, url.password] = ['redacted', ''];
  for (const name of new Set(url.searchParams.keys())) url.searchParams.set(name, 'redacted');
  return url.toString();
}
