import { isIP } from 'node:net';
import { errorText } from './core/errors.ts';
import { Secret } from './core/secret.ts';
import { findTimeZone } from './core/zone.ts';
import { type FaultRates, parseFaultRates } from './providers/simulator/faults.ts';
import { parseBytes, parseTagRules } from './retention/rules.ts';
import { isKey } from './storage/key.ts';

/** How one setting's text becomes a value. Throws an Error whose message completes "NAME must be …". */
export type Parse<T> = (text: string) => T;

export const text: Parse<string> = (value) => value;

export function integer(min: number, max: number): Parse<number> {
  return (value) => {
    const number = Number(value);
    if (Number.isInteger(number) && number >= min && number <= max) return number;
    throw new Error(`a whole number from ${min} to ${max}`);
  };
}

export function decimal(min: number, max: number): Parse<number> {
  return (value) => {
    const number = Number(value);
    if (value.trim() !== '' && number >= min && number <= max) return number;
    throw new Error(`a number from ${min} to ${max}`);
  };
}

export function oneOf<const T extends string>(...values: T[]): Parse<T> {
  return (value) => {
    const found = values.find((candidate) => candidate === value);
    if (found !== undefined) return found;
    throw new Error(`one of: ${values.join(', ')}`);
  };
}

export const flag: Parse<boolean> = (value) => {
  if (['true', '1', 'yes', 'on'].includes(value.toLowerCase())) return true;
  if (['false', '0', 'no', 'off'].includes(value.toLowerCase())) return false;
  throw new Error('true or false');
};

export function url(...protocols: string[]): Parse<string> {
  return (value) => {
    const parsed = URL.canParse(value) ? new URL(value) : undefined;
    if (parsed && protocols.includes(parsed.protocol)) return value;
    throw new Error(`a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`);
  };
}

export const list: Parse<string[]> = (value) =>
  value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');

export const aliases: Parse<Record<string, string>> = (value) =>
  Object.fromEntries(
    list(value).map((pair) => {
      const [alias, model, ...rest] = pair.split('=').map((part) => part.trim());
      if (!alias || !model || rest.length > 0)
        throw new Error('a list such as sora-2=model,sora-2-pro=other');
      return [alias, model];
    }),
  );

export const faults: Parse<FaultRates> = (value) => {
  try {
    return parseFaultRates(value);
  } catch (error) {
    throw new Error(`a list such as 429=0.1,lost-answer=0.02 (${errorText(error)})`, { cause: error });
  }
};

export const tagRules: Parse<Record<string, number>> = (value) => {
  try {
    return parseTagRules(value);
  } catch (error) {
    throw new Error(`a list such as temp=7,keep=never (${errorText(error)})`, { cause: error });
  }
};

export const bytes: Parse<number> = (value) => {
  try {
    return parseBytes(value);
  } catch (error) {
    throw new Error('a size such as 500GB or 1.5TiB', { cause: error });
  }
};

export const timeZone: Parse<string> = (value) => {
  const found = findTimeZone(value);
  if (found !== undefined) return found;
  throw new Error('the name of a time zone, such as Europe/Berlin');
};

export function accessKey(value: string): Secret {
  if (!/^[\x21-\x7e]+$/.test(value)) throw new Error('made of printable ASCII characters without spaces');
  return new Secret(value);
}

/** Proxies before this server: none, all, or which. A number of them is not taken: it says nothing about who is one. */
export const proxies: Parse<boolean | string[]> = (value) => {
  if (/^(true|yes|on|false|no|off)$/i.test(value)) return flag(value);
  const parts = list(value);
  if (parts.length > 0 && parts.every(isNetwork)) return parts;
  throw new Error('false, true, or addresses and networks such as loopback,10.0.0.0/8');
};

export function isNetwork(text: string): boolean {
  if (['loopback', 'linklocal', 'uniquelocal'].includes(text)) return true;
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}

/** An address with a password in it. */
export function secretUrl(...protocols: string[]): Parse<Secret> {
  const parse = url(...protocols);
  return (value) => new Secret(parse(value));
}

export const claim: Parse<{ name: string; values: string[] }> = (value) => {
  const at = value.indexOf('=');
  const [name, values] = [value.slice(0, Math.max(0, at)).trim(), list(value.slice(at + 1))];
  if (name === '' || values.length === 0)
    throw new Error('a claim and its values, such as role=admin,operator');
  return { name, values };
};

export function secretOf(minLength: number): Parse<Secret> {
  return (value) => {
    if (value.length < minLength) throw new Error(`at least ${minLength} characters long`);
    return accessKey(value);
  };
}

export const smtpUrl: Parse<Secret> = (value) => new Secret(url('smtp:', 'smtps:')(value));

export const bucket: Parse<string> = (value) => {
  if (/^[\w.-]{3,255}$/.test(value)) return value;
  throw new Error('the name of a bucket');
};

export const redisPrefix: Parse<string> = (value) => {
  if (/^[\w:.-]{1,100}$/.test(value)) return value;
  throw new Error('made of letters, digits, -, _, . and :');
};

export const prefix: Parse<string> = (value) => {
  const trimmed = value.replaceAll(/^\/+|\/+$/g, '');
  if (isKey(trimmed)) return trimmed;
  throw new Error('made of letters, digits, -, _, . and /');
};
