/**
 * What one process at a time does for all. Unlike a lock of a session, a lease ends when its holder stands still. Times are
 * the database's own, so that no clock of a machine matters.
 */
export const LEASE = {
  /** Parameters: name, holder, length in ms. A row comes back for the one who has it now. */
  take: `insert into leases (name, holder, until)
    values ($1, $2, clock_timestamp() + $3::float8 * interval '1 millisecond')
    on conflict (name) do update set holder = excluded.holder, until = excluded.until
    where leases.holder = excluded.holder or leases.until < clock_timestamp()
    returning name`,
  /** Parameters: name, holder. */
  end: `delete from leases where name = $1 and holder = $2`,
} as const;
