const MAX_LENGTH = 100;

/**
 * What somebody is called elsewhere, as a name that could have been given here: line breaks and the like have no place in what
 * is shown to others and mailed. The first of the names of which anything is left.
 */
export function shownName(...names: readonly (string | null | undefined)[]): string {
  for (const name of names) {
    const plain = String(name ?? '')
      .replaceAll(/[\p{Cc}\s]+/gu, ' ')
      .trim()
      .slice(0, MAX_LENGTH)
      .toWellFormed();
    if (plain !== '') return plain;
  }
  return 'Somebody';
}
