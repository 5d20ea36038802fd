/** The fields of a video as lists show them. */
export interface Shown {
  prompt?: string;
  model?: string;
  size?: string;
  seconds?: string | number;
  /** In seconds since the epoch. */
  created_at?: number;
}

const FIVE_MINUTES = 300;
const CUT = 40;

/** Ways in which servers write back what they were told: none of them says that it is another video. */
export const SPELLINGS = {
  exact: (video) => video,
  trimmed: (video) => ({ ...video, prompt: video.prompt?.trim() ?? '' }),
  nfc: (video) => ({ ...video, prompt: video.prompt?.normalize('NFC') ?? '' }),
  nfd: (video) => ({ ...video, prompt: video.prompt?.normalize('NFD') ?? '' }),
  cut: (video) => ({ ...video, prompt: video.prompt?.slice(0, CUT) ?? '' }),
  'cut-with-dots': (video) => ({ ...video, prompt: `${video.prompt?.slice(0, CUT)}...` }),
  'one-line': (video) => ({ ...video, prompt: video.prompt?.replace(/\s+/g, ' ') ?? '' }),
  crlf: (video) => ({ ...video, prompt: video.prompt?.replace(/\n/g, '\r\n') ?? '' }),
  'size-with-asterisk': (video) => ({ ...video, size: video.size?.replace('x', '*') ?? '' }),
  'size-with-cross': (video) => ({ ...video, size: video.size?.replace('x', '×') ?? '' }),
  'size-with-blanks': (video) => ({ ...video, size: video.size?.replace('x', ' x ') ?? '' }),
  'seconds-as-decimal': (video) => ({ ...video, seconds: `${video.seconds}.0` }),
  'seconds-with-unit': (video) => ({ ...video, seconds: `${video.seconds}s` }),
  'served-name': (video) => ({ ...video, model: 'Org/Served-Name-14B' }),
  early: (video) => ({ ...video, created_at: (video.created_at ?? 0) - FIVE_MINUTES }),
  late: (video) => ({ ...video, created_at: (video.created_at ?? 0) + FIVE_MINUTES }),
  'no-prompt': ({ prompt: _prompt, ...video }) => video,
  'no-time': ({ created_at: _time, ...video }) => video,
  'id-only': () => ({}),
} as const satisfies Record<string, (video: Shown) => Shown>;

export type SpellingName = keyof typeof SPELLINGS;
