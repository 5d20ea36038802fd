import { SOURCE_KINDS, type SourceKind } from '../model.ts';

/** In what a kind of `/v1/videos` server differs from the others. */
export interface Dialect {
  /** One sentence for the docs. */
  description: string;
  /** How create is sent. `auto`: JSON, or multipart with an image; the other one where the server asks for it. */
  encoding: 'auto' | 'json' | 'multipart';
  /** What `seconds` is on the wire. */
  seconds: 'string' | 'number';
  /** Where a reference image goes in JSON: OpenAI's `{image_url}` object, or a data URL under `image`. */
  jsonReference: 'input_reference' | 'image';
  /** The server promises one video per `Idempotency-Key`. The header is sent to every server. */
  idempotent: boolean;
  /** Statuses of create that are a clear no here although others answer so without saying what they took. */
  refusals: readonly number[];
  /** `complete`: the list shows every video of this account, so that what is not in it does not exist. */
  list: 'complete' | 'partial' | 'none';
  /** Deleting a running video stops it, and stops its cost. */
  deleteStops: boolean;
  /** Whether it may charge for a video that failed. */
  billsFailures: false | 'unknown';
  /** Where the file is: under `/content`, at an address in the answer, or either. */
  result: 'auto' | 'content' | 'url';
  /** `/content?variant=` works for thumbnails and spritesheets. */
  variants: boolean;
  /** What it makes of its own finished videos, beside creating new ones. */
  operations: readonly SourceKind[];
  /** Every model it lists makes videos. */
  videoOnly: boolean;
  /** Request fields beyond the common ones that it understands. */
  passes: readonly string[];
}

const GENERIC: Dialect = {
  description: 'Any server; assumes nothing that has not been promised.',
  encoding: 'auto',
  seconds: 'string',
  jsonReference: 'input_reference',
  idempotent: false,
  refusals: [],
  list: 'partial',
  deleteStops: false,
  billsFailures: 'unknown',
  result: 'auto',
  variants: false,
  operations: [],
  videoOnly: false,
  passes: ['seed', 'negative_prompt', 'fps'],
};

const DIFFUSION = ['seed', 'fps', 'num_frames', 'negative_prompt', 'num_inference_steps', 'guidance_scale'];

/** The servers whose ways are known, as their own docs and sources told them in 2026-11. */
export const DIALECTS = {
  generic: GENERIC,
  openai: {
    ...GENERIC,
    description: 'The API as OpenAI ran it until 2026-09-24.',
    list: 'complete',
    billsFailures: false,
    result: 'content',
    variants: true,
    operations: SOURCE_KINDS,
    passes: [],
  },
  'vllm-omni': {
    ...GENERIC,
    description: 'vLLM-Omni: forms only, one model per server, deleting stops the GPU.',
    encoding: 'multipart',
    // Several API processes, which do not know of each other's videos: it refuses to take any.
    refusals: [409],
    list: 'complete',
    deleteStops: true,
    billsFailures: false,
    result: 'content',
    videoOnly: true,
    passes: [...DIFFUSION, 'guidance_scale_2', 'flow_shift', 'generate_sound', 'lora', 'extra_params'],
  },
  sglang: {
    ...GENERIC,
    description: 'SGLang diffusion: seconds as a number, bare lists, deleting does not stop the GPU.',
    seconds: 'number',
    billsFailures: false,
    videoOnly: true,
    passes: [...DIFFUSION, 'extra_body'],
  },
  litellm: {
    ...GENERIC,
    description: 'LiteLLM proxy: lists need to know the provider, so they are not used.',
    list: 'none',
    result: 'content',
    operations: SOURCE_KINDS,
  },
  'llm-gateway': {
    ...GENERIC,
    description: 'LLM Gateway: JSON only, seconds as a number, image under `image`, no list.',
    encoding: 'json',
    seconds: 'number',
    jsonReference: 'image',
    list: 'none',
  },
  'new-api': {
    ...GENERIC,
    description: 'new-api: `task_id`, result addresses under `metadata`, no list.',
    list: 'none',
    operations: ['remix'],
  },
} as const satisfies Record<string, Dialect>;

export type DialectName = keyof typeof DIALECTS;

/** The dialect of a name, `generic` for none. Throws a `RangeError` that lists the names. */
export function dialectNamed(name: string = 'generic', overrides: Partial<Dialect> = {}): Dialect {
  if (!Object.hasOwn(DIALECTS, name)) {
    throw new RangeError(`no such dialect: "${name}" (known: ${Object.keys(DIALECTS).join(', ')})`);
  }
  return { ...DIALECTS[name as DialectName], ...overrides };
}
