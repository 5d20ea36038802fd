import { sql } from 'kysely';
import type { Db } from './open.ts';

/**
 * Takes a lease, or renews it, until `ms` from now by the database's time. False while another holder has it. A holder that
 * stands still loses it when that time is over, which a lock of its session would not do.
 */
export async function takeLease(db: Db, name: string, holder: string, ms: number): Promise<boolean> {
  const { rows } = await sql`
    insert into leases as old (name, holder, until)
    values (${name}, ${holder}, clock_timestamp() + ${ms} * interval '1 ms')
    on conflict (name) do update set holder = excluded.holder, until = excluded.until
      where old.holder = excluded.holder or old.until < clock_timestamp()
    returning name`.execute(db);
  return rows.length > 0;
}

/** Gives a lease back before its time is over. */
export async function dropLease(db: Db, name: string, holder: string): Promise<void> {
  await sql`delete from leases where name = ${name} and holder = ${holder}`.execute(db);
}
