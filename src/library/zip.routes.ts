import type { FastifyReply } from 'fastify';
import { type Static, Type } from 'typebox';
import { callerOf } from '../accounts/authenticate.ts';
import { AppError } from '../core/errors.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import { failures } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { createBodyReader } from '../jobs/create-body.ts';
import { ListFilter } from '../jobs/jobs.schemas.ts';
import type { LibraryParts } from './library.ts';
import { Ids } from './library.schemas.ts';
import { readSelection } from './selection.ts';
import { sendZip } from './zip-send.ts';
import { ZIP_LIMIT, zipVideos } from './zip.ts';
import { DEFAULT_TEMPLATE } from './zip-names.ts';

const strict = { additionalProperties: false } as const;

const VARIANTS = ['video', 'thumbnail', 'spritesheet', 'preview'] as const;

const Template = Type.String({
  minLength: 1,
  maxLength: 200,
  description: `Names of the files: \`{name}\` \`{jobId}\` \`{prompt}\` \`{model}\` \`{date}\` \`{index}\` \`{resolution}\` \`{batch}\`; unset: \`${DEFAULT_TEMPLATE}\`.`,
});

const Limit = Type.Integer({
  minimum: 1,
  maximum: ZIP_LIMIT,
  description: `Most videos that a filter puts in; unset: ${ZIP_LIMIT}.`,
});

const ZipQuery = Type.Object(
  {
    ids: Type.Optional(Type.String({ description: 'Several by comma; or give filters of the list.' })),
    ...ListFilter.properties,
    template: Type.Optional(Template),
    include: Type.Optional(
      Type.String({ description: `Several of ${VARIANTS.join(', ')} by comma; unset: video.` }),
    ),
    limit: Type.Optional(Limit),
  },
  strict,
);

const ZipBody = Type.Object(
  {
    ids: Type.Optional(Ids),
    filter: Type.Optional(ListFilter),
    template: Type.Optional(Template),
    include: Type.Optional(
      Type.Array(Type.Unsafe<(typeof VARIANTS)[number]>({ type: 'string', enum: [...VARIANTS] }), {
        minItems: 1,
        uniqueItems: true,
      }),
    ),
    limit: Type.Optional(Limit),
  },
  { ...strict, title: 'Zip' },
);

type ZipBody = Static<typeof ZipBody>;

export const ZIP_ANSWER = {
  description: 'The zip. One that breaks off is a broken download, never a short zip.',
  content: { 'application/zip': { schema: { type: 'string', format: 'binary' } } },
} as const;

/** `/api/v1/videos/zip`, on a server that knows its callers. */
export function registerZipRoutes(server: Server, parts: LibraryParts): void {
  const common = {
    tags: ['Library'],
    security: KEY_REQUIRED,
    description:
      'Each video with a JSON file beside it, and a `manifest.json`, which also names what was skipped because it is not completed.',
    response: { 200: ZIP_ANSWER as unknown, ...failures([400]) },
  };

  server.get(
    '/videos/zip',
    {
      exposeHeadRoute: false,
      schema: {
        ...common,
        operationId: 'zipVideos',
        summary: 'Download many videos as a zip',
        querystring: ZipQuery,
      },
    },
    async (request, reply) => {
      const { ids, template, include, limit, ...filter } = request.query;
      const named = ids === undefined ? undefined : splitIds(ids);
      const isFiltered = named === undefined || Object.keys(filter).length > 0;
      return send(
        reply as FastifyReply,
        {
          ids: named,
          filter: isFiltered ? filter : undefined,
          template,
          include: include === undefined ? undefined : splitVariants(include),
          limit,
        },
        callerOf(request),
      );
    },
  );

  server.post(
    '/videos/zip',
    {
      config: { scope: 'videos:read' },
      preValidation: createBodyReader(),
      schema: {
        ...common,
        operationId: 'zipVideosOf',
        summary: 'Download many videos as a zip, asked for by a body',
        body: ZipBody,
      },
    },
    async (request, reply) => send(reply as FastifyReply, request.body, callerOf(request)),
  );

  async function send(reply: FastifyReply, body: Optional<ZipBody>, caller: ReturnType<typeof callerOf>) {
    const { template, include = ['video'], limit = ZIP_LIMIT } = body;
    const wish = { selection: readSelection(body), template, include, limit };
    const zip = await zipVideos(parts, caller, wish);
    const day = new Date(parts.clock.now()).toISOString().slice(0, 'YYYY-MM-DD'.length);
    return sendZip(reply, `videos-${day}.zip`, zip);
  }
}

type Optional<Fields> = { [Name in keyof Fields]: Fields[Name] | undefined };

function splitIds(text: string): string[] {
  const ids = [...new Set(text.split(',').map((id) => id.trim()))].filter((id) => id !== '');
  if (ids.length > 0 && ids.length <= ZIP_LIMIT) return ids;
  throw new AppError('invalid_request', { message: `ids names 1 to ${ZIP_LIMIT} videos.`, param: 'ids' });
}

function splitVariants(text: string): (typeof VARIANTS)[number][] {
  return [...new Set(text.split(','))].map((part) => {
    const variant = VARIANTS.find((known) => known === part.trim());
    if (variant) return variant;
    throw new AppError('invalid_request', {
      message: `include is one or several of ${VARIANTS.join(', ')}, separated by commas.`,
      param: 'include',
    });
  });
}
