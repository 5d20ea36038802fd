import { diffWordsWithSpace } from 'diff';

/** A piece of text; `added` and `removed` are left out where nothing changed. */
export interface DiffPart {
  added?: true;
  removed?: true;
  text: string;
}

/** Texts that have less in common are another text: searching on would take time with the square of it. */
const MAX_EDITS = 300;

/** What became of a text, word by word. */
export function diffWords(before: string, after: string): DiffPart[] {
  if (before === after) return [{ text: after }];
  const changes = diffWordsWithSpace(before, after, { maxEditLength: MAX_EDITS });
  if (!changes) {
    return [
      { removed: true, text: before },
      { added: true, text: after },
    ];
  }
  return changes.map(({ added, removed, value: text }) =>
    added ? { added, text } : removed ? { removed, text } : { text },
  );
}
