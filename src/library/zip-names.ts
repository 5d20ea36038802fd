import { AppError } from '../core/errors.ts';
import type { Job } from '../jobs/job.ts';
import { sizeText } from '../providers/model.ts';

export const DEFAULT_TEMPLATE = '{date}-{name}-{jobId}';

/** Room for an ending and a number within the 255 bytes that file systems allow. */
const MAX_BYTES = 200;
const PROMPT_CHARACTERS = 60;
/** Marks a place whose value is empty: a separator beside it goes too. */
const EMPTY = '\uffff';

const PLACES: Readonly<Record<string, (job: Job, index: number) => string>> = {
  name: (job) => job.name ?? '',
  jobId: (job) => job.id,
  prompt: (job) => [...job.prompt].slice(0, PROMPT_CHARACTERS).join(''),
  model: (job) => job.model,
  date: (job) => job.created_at.toISOString().slice(0, 'YYYY-MM-DD'.length),
  index: (_job, index) => String(index).padStart(4, '0'),
  resolution: (job) => sizeText(job),
  batch: (job) => job.batch_id ?? '',
};

/** Gives each video a name of its own, made by a template. Throws `invalid_request` for a place that is none. */
export function createNamer(template: string = DEFAULT_TEMPLATE): (job: Job, index: number) => string {
  for (const [, place = ''] of template.matchAll(/\{([^{}]*)\}/g)) {
    if (Object.hasOwn(PLACES, place)) continue;
    const known = Object.keys(PLACES).map((name) => `{${name}}`);
    throw new AppError('invalid_request', {
      message: `The template has {${place}}; there are ${known.join(', ')}.`,
      param: 'template',
    });
  }
  const taken = new Set<string>();
  return (job, index) => {
    const filled = template.replaceAll(
      /\{([^{}]*)\}/g,
      (_whole, place: string) => PLACES[place]?.(job, index).replaceAll(EMPTY, '') || EMPTY,
    );
    const base = safeName(
      filled.replaceAll(/[-_. ]*\uffff/g, '').replace(filled.startsWith(EMPTY) ? /^[-_. ]+/ : '', ''),
    );
    let name = base;
    // File systems that know no case would lay one over the other.
    for (let copy = 2; taken.has(name.toLowerCase()); copy += 1) name = `${base} (${copy})`;
    taken.add(name.toLowerCase());
    return name;
  };
}

const RESERVED = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$|manifest)(?:\.|$)/i;

/** A name that is a file's on every system, and a path on none. */
export function safeName(text: string): string {
  const plain = text
    .toWellFormed()
    .normalize('NFC')
    // Control characters, also those that turn the direction of writing.
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')
    .replaceAll(/[/\\:*?"<>|]/g, '_')
    .replaceAll(/\.{2,}/g, '_')
    .replaceAll(/\s+/g, ' ');
  const short = trim(cut(trim(plain)));
  if (short === '') return 'video';
  return RESERVED.test(short) ? `_${short}` : short;
}

/** Without what Windows drops at the end and shells dislike at the start. */
function trim(text: string): string {
  return text.replace(/^[\s.~-]+/, '').replace(/[\s.]+$/, '');
}

/** Whole characters, and no more bytes than fit. */
function cut(text: string): string {
  let bytes = 0;
  let kept = '';
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > MAX_BYTES) break;
    kept += character;
  }
  return kept;
}
