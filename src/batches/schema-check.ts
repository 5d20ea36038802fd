import type { FastifySchemaValidationError } from 'fastify';
import type { TSchema } from 'typebox';
import { toPublicError } from '../http/errors.ts';
import type { Server } from '../http/server.ts';
import type { ItemProblem } from './batch.ts';

/** A thing that is wrong in more ways than these is something else altogether. */
const SHOWN = 20;

type Problems = FastifySchemaValidationError[];

/** A schema that is applied by hand, by the same rules and with the same words as the body of a route. */
export interface SchemaCheck<Value> {
  passes(value: unknown): value is Value;
  /** After a value that did not pass: what is wrong with it, up to a readable number. */
  problems(): ItemProblem[];
  /** The same, as the server answers it for a whole body. */
  asRefusal(): Error;
}

export function schemaCheck<Value>(server: Server, schema: TSchema): SchemaCheck<Value> {
  const compile = server.validatorCompiler;
  if (!compile) throw new Error('the server has no validator');
  const validate = compile({ schema, method: 'POST', url: '/', httpPart: 'body' }) as ((
    value: unknown,
  ) => boolean) & { errors?: Problems | null };
  return {
    passes: (value): value is Value => validate(value),
    problems: () => (validate.errors ?? []).slice(0, SHOWN).map(problemOf),
    asRefusal: () => Object.assign(new Error('not valid'), { validation: validate.errors ?? [] }),
  };
}

function problemOf(problem: Problems[number]): ItemProblem {
  const { code, message, param } = toPublicError({ validation: [problem] });
  return { code, message, ...(param === undefined ? {} : { field: param }) };
}
