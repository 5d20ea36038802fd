import type { Kysely } from 'kysely';
import { type Static, Type } from 'typebox';
import { actorOf } from '../accounts/actor.ts';
import { appendAudit } from '../accounts/audit.repository.ts';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import { exactMicros, microsToUsd } from '../core/money.ts';
import type { DB } from '../database/schema.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import { failures, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import type { Catalog } from '../providers/catalog.ts';
import type { Price, PriceBook } from './price-book.ts';
import { insertPrice, listPrices } from './prices.repository.ts';

export interface PriceRoutesOptions {
  db: Kysely<DB>;
  clock: Clock;
  catalog: Catalog;
  prices: PriceBook;
}

/** USD a second; a video of which one second costs more is a slip of the pen. */
const PerSecond = Type.Number({ minimum: 0, maximum: 1000 });
const BySize = Type.Record(Type.String({ pattern: '^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$' }), PerSecond, {
  additionalProperties: false,
  description: 'Sizes (`WxH`) whose second costs something else.',
});

const PriceBody = Type.Object(
  {
    provider: Type.String({ description: "The connection's name." }),
    model: Type.String({ description: "The model's id, not an alias." }),
    pricePerSecondUsd: PerSecond,
    bySize: Type.Optional(BySize),
    validFrom: Type.Optional(
      Type.String({ format: 'date-time', description: 'From now on when left out; never in the past.' }),
    ),
  },
  { additionalProperties: false, title: 'NewPrice' },
);

const PriceSchema = Type.Object(
  {
    id: Type.String(),
    provider: Type.String(),
    model: Type.String(),
    pricePerSecondUsd: Type.Number(),
    bySize: Type.Record(Type.String(), Type.Number()),
    validFrom: Type.String({ format: 'date-time' }),
    createdAt: Type.String({ format: 'date-time' }),
  },
  { title: 'Price' },
);

/** `/api/v1/admin/prices`: what operators say that models cost. Prices are followed by others, never changed. */
export function registerPriceRoutes(server: Server, options: PriceRoutesOptions): void {
  const { db, clock, catalog, prices } = options;
  const common = { tags: ['Administration'], security: KEY_REQUIRED };

  server.get(
    '/prices',
    {
      schema: {
        ...common,
        operationId: 'listPrices',
        summary: 'Every price that was set here, the latest first',
        response: { 200: Success(Type.Array(PriceSchema)), ...failures([403]) },
      },
    },
    async () => ({ success: true as const, data: (await listPrices(db)).map(viewPrice) }),
  );

  server.post(
    '/prices',
    {
      schema: {
        ...common,
        operationId: 'setPrice',
        summary: 'Say what a model costs from a moment on',
        body: PriceBody,
        response: { 201: Success(PriceSchema), ...failures([400, 403, 409]) },
      },
    },
    async (request, reply) => {
      const now = new Date(clock.now());
      const body = request.body;
      const validFrom = body.validFrom === undefined ? now : new Date(body.validFrom);
      check(body, validFrom, now, catalog);
      const bySize = Object.entries(body.bySize ?? {}).map(
        ([size, usd]) => [size, exactMicros(usd, `bySize.${size}`)] as const,
      );
      const perSecondMicros = exactMicros(body.pricePerSecondUsd, 'pricePerSecondUsd');
      const actor = actorOf(request);
      const price = await db.transaction().execute(async (tx) => {
        const inserted = await insertPrice(
          tx,
          {
            connection: body.provider,
            model: body.model,
            perSecondMicros,
            bySize: Object.fromEntries(bySize),
            validFrom,
            createdBy: actor.actorId,
          },
          now,
        );
        if (!inserted) return undefined;
        const { id: _id, createdAt: _createdAt, ...details } = viewPrice(inserted);
        await appendAudit(tx, { ...actor, action: 'price.set', subjectId: inserted.id, details }, now);
        return inserted;
      });
      if (!price) throw new AppError('price_exists');
      await prices.reload();
      return reply.code(201).send({ success: true as const, data: viewPrice(price) });
    },
  );
}

function check(body: Static<typeof PriceBody>, validFrom: Date, now: Date, catalog: Catalog): void {
  const known = catalog.list().filter(({ connection }) => connection.name === body.provider);
  if (!known.some(({ model }) => model.id === body.model)) {
    throw new AppError('model_not_found', {
      message: `The connection "${body.provider}" has no model "${body.model}".`,
      details: { models: known.map(({ model }) => model.id) },
      param: 'model',
    });
  }
  // What has been planned by a price keeps it: nothing can be made dearer afterwards.
  if (validFrom < now) {
    throw new AppError('invalid_request', {
      message: 'validFrom lies in the past: a price holds from now on at the earliest.',
      param: 'validFrom',
    });
  }
}

function viewPrice(price: Price) {
  const bySize = Object.entries(price.by_size).map(([size, micros]) => [size, microsToUsd(micros)] as const);
  return {
    id: price.id,
    provider: price.connection,
    model: price.model,
    pricePerSecondUsd: microsToUsd(price.per_second_micros),
    bySize: Object.fromEntries(bySize),
    validFrom: price.valid_from.toISOString(),
    createdAt: price.created_at.toISOString(),
  };
}
