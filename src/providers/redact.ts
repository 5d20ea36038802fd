const LINK = /\b(?:https?|wss?|s3|gs|data):[^\s"'<>)\]}]+/gi;
const BEARER =
  /\b((?:bearer|basic)\s+|(?:token|api[-_ ]?key|authorization|secret|password)["']?\s*[:=]\s*["']?)[^\s"',;]{8,}/gi;
const KEY =
  /\b(?:sk|pk|rk|key|r8|fal|whsec|AIza|ya29)[-_.][\w*.-]{6,}|\bAIza[\w-]{20,}|\beyJ[\w-]{10,}\.[\w.-]+/g;

/**
 * An upstream's words, fit to be shown to a client and stored: one line of at most `max` characters without links,
 * keys and tokens. `secrets` are texts that must not appear whatever they look like.
 */
export function publicText(text: string, secrets: readonly string[] = [], max = 300): string {
  let clean = text;
  for (const secret of secrets) if (secret !== '') clean = clean.replaceAll(secret, '[redacted]');
  clean = clean.replace(LINK, '[link]').replace(BEARER, '$1[redacted]').replace(KEY, '[redacted]');
  // Control characters would let an upstream forge log lines or move a terminal's cursor.
  clean = clean.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
  return clean.length > max ? `${clean.slice(0, max - 1)}…` : clean;
}

/** An upstream's error code as ours: snake_case; undefined when nothing is left of it. */
export function publicCode(code: unknown): string | undefined {
  if (typeof code !== 'string') return undefined;
  const words = code.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase();
  const clean = words
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .slice(0, 60);
  return /[a-z]/.test(clean) ? clean : undefined;
}
