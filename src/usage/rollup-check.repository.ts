/** Each says the same of everything: the quarters, and the days of every zone. */
const GRAINS = [
  'usage_quarters',
  '(select * from usage_days where zone = (select max(id) from usage_zones)) as latest',
  "(select * from usage_days where zone = (select id from usage_zones where name = 'UTC')) as days",
];

const MONEY = ['held_micros', 'charged_micros', 'corrected_micros'];

/** The sums of a table together with the lines that are not in them yet, by whatever is named. */
function summed(table: string, by: string, figures: readonly string[], lines = ''): string {
  const sums = figures.map((name) => `sum(${name}) as ${name}`).join(', ');
  return `select ${by}, ${sums} from (
      select ${by}, ${figures.join(', ')} from ${table} join usage_dims as dims on dims.id = dim
      union all
      select ${by}, ${figures.join(', ')} from usage_deltas ${lines}
    ) as facts group by ${by}`;
}

/** What the ledger says of owners' costs, by whatever is named. */
function booked(by: string, where = 'true'): string {
  return `select ${by},
      sum(case kind when 'hold' then amount_micros when 'release' then -amount_micros else 0 end) as held_micros,
      sum(case when kind in ('hold', 'release') then 0 when debit like 'spent/%' then amount_micros
        else -amount_micros end) as charged_micros,
      sum(case when kind <> 'correction' then 0 when debit like 'spent/%' then amount_micros
        else -amount_micros end) as corrected_micros
    from ledger where kind <> 'orphan' and ${where} group by ${by}`;
}

/** Where sums differ from what the CTE `booked` says. */
function differences(sums: string, by: readonly string[], what: string): string {
  const same = MONEY.map((name) => `coalesce(said.${name}, 0) = coalesce(booked.${name}, 0)`).join(' and ');
  return `select ${what} as what from (${sums}) as said full join booked using (${by.join(', ')}) where not (${same})`;
}

const BY = ['owner_id', 'connection', 'model'];
const WHERE_ABOUTS = `concat_ws(' ', owner_id, connection, model)`;

/** Rules that reports stand on: each query names what breaks its rule, one text a row. */
export const ROLLUP_RULES: Readonly<Record<string, string>> = {
  'usage reports are the sums of the ledger': `with booked as materialized (${booked(BY.join(', '))})
    ${GRAINS.map((grain) => differences(summed(grain, BY.join(', '), MONEY), BY, WHERE_ABOUTS)).join(' union ')}`,
  'usage reports of batches are the sums of the ledger': `
    with booked as (${booked('batch_id', 'batch_id is not null')})
    ${differences(
      summed(
        "(select * from usage_batches where zone = (select id from usage_zones where name = 'UTC')) as sums",
        'batch_id',
        MONEY,
        'where batch_id is not null',
      ),
      ['batch_id'],
      'batch_id',
    )}`,
  // Jobs that were deleted stay counted: there may be more, never fewer.
  'every job is counted in usage reports': `
    with there as materialized (
      select ${BY.join(', ')}, count(*) as created, count(*) filter (where status = 'completed') as completed,
        count(*) filter (where status = 'failed') as failed, count(*) filter (where status = 'cancelled') as cancelled
      from jobs where imported_at is null group by ${BY.join(', ')}
    )
    ${GRAINS.map(
      (grain) => `
    select ${WHERE_ABOUTS} as what from there left join (
      ${summed(grain, BY.join(', '), ['created', 'completed', 'failed', 'cancelled'])}
    ) as said using (${BY.join(', ')})
    where there.created > coalesce(said.created, 0) or there.completed > coalesce(said.completed, 0)
      or there.failed > coalesce(said.failed, 0) or there.cancelled > coalesce(said.cancelled, 0)`,
    ).join(' union ')}`,
};
