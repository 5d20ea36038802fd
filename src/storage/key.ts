const KEY = /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[\w.-]+(?:\/[\w.-]+)*$/;

export function isKey(text: string): boolean {
  return KEY.test(text);
}

/** Gives the key back. Throws a `TypeError` for anything that could lead out of the store. */
export function checkKey(key: string): string {
  if (!isKey(key)) throw new TypeError(`not a storage key: ${JSON.stringify(key)}`);
  return key;
}

/** The beginning of a key, or of none: `''`, `videos`, `videos/`, `videos/ab`. */
export function checkPrefix(prefix: string): string {
  if (prefix !== '' && !isKey(prefix.replace(/\/$/, ''))) {
    throw new TypeError(`not the prefix of a storage key: ${JSON.stringify(prefix)}`);
  }
  return prefix;
}
