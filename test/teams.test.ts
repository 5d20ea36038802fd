import { array, assert, asyncProperty, constant, constantFrom, oneof, record } from 'fast-check';
import { sql } from 'kysely';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import {
  type Browser,
  codeOf,
  createBrowser,
  firstAdmin,
  invitation,
  PASSWORD,
  person,
  PUBLIC_URL,
} from './accounts-kit.ts';
import { useTestApp } from './create-test-app.ts';

const shared = useTestApp({ PUBLIC_URL });
const NAMES = ['ann', 'ben', 'cat', 'dan'] as const;
type Who = (typeof NAMES)[number];
const browsers = {} as Record<Who, Browser>;
const ids = {} as Record<Who, string>;
let admin: Browser;

beforeAll(async () => {
  admin = await firstAdmin(shared());
  for (const name of NAMES) {
    browsers[name] = await person(shared(), admin, `${name}@example.com`);
    const { me } = await browsers[name].data<{ me: { user: { userId: string } } }>('GET', 'auth/session');
    ids[name] = me.user.userId;
  }
});

const create = async (who: Who, name = 'Studio') =>
  (await browsers[who].data<{ teamId: string }>('POST', 'teams', { name })).teamId;

async function join(owner: Who, teamId: string, who: Who, role = 'member'): Promise<void> {
  const body = { email: `${who}@example.com`, role };
  const { invitationId } = await browsers[owner].data<{ invitationId: string }>(
    'POST',
    `teams/${teamId}/invitations`,
    body,
  );
  await browsers[who].data('POST', `team-invitations/${invitationId}/accept`);
}

const says = async (who: Who, method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, body?: object) => {
  const response = await browsers[who].send(method, url, body);
  return response.statusCode < 300 ? response.statusCode : codeOf(response);
};
const switchTo = (who: Who, teamId: string | null) => says(who, 'POST', 'auth/switch', { teamId });
const makeVideo = async (who: Who) =>
  (await browsers[who].data<{ jobId: string }>('POST', 'videos', { prompt: 'x' })).jobId;

test('a team’s library is shared by those who switch to it, and by nobody else', async () => {
  const teamId = await create('ann');
  await join('ann', teamId, 'ben');
  expect(await switchTo('ann', teamId)).toBe(200);
  const jobId = await makeVideo('ann');
  expect(await says('ben', 'GET', `videos/${jobId}`)).toBe('job_not_found');
  expect(await switchTo('ben', teamId)).toBe(200);
  expect(await browsers.ben.data('GET', 'auth/session')).toMatchObject({
    me: {
      user: { userId: ids.ben },
      space: { ownerId: teamId, kind: 'team', name: 'Studio', role: 'member' },
    },
  });
  expect(await says('ben', 'GET', `videos/${jobId}`)).toBe(200);
  expect((await browsers.ben.send('GET', `/v1/videos/${jobId}`)).statusCode).toBe(200);
  expect(await switchTo('cat', teamId)).toBe('team_not_found');
  expect(await says('cat', 'GET', `videos/${jobId}`)).toBe('job_not_found');
  const job = await shared()
    .db.selectFrom('jobs')
    .selectAll()
    .where('id', '=', jobId)
    .executeTakeFirstOrThrow();
  expect([job.owner_id, job.user_id]).toEqual([teamId, ids.ann]);
  // Who is removed loses it at once, in the session that works there.
  expect(await says('ann', 'DELETE', `teams/${teamId}/members/${ids.ben}`)).toBe(200);
  expect(await says('ben', 'GET', `videos/${jobId}`)).toBe('job_not_found');
  expect(await says('ann', 'DELETE', `teams/${teamId}`)).toBe('team_not_empty');
  await switchTo('ann', null);
  expect(await says('ann', 'GET', `videos/${jobId}`)).toBe('job_not_found');
});

test('to whoever is no member a team does not exist, whatever they ask', async () => {
  const teamId = await create('ann');
  for (const [method, url, body] of [
    ['GET', '', undefined],
    ['PATCH', '', { name: 'Mine' }],
    ['DELETE', '', undefined],
    ['GET', '/members', undefined],
    ['PATCH', `/members/${ids.ann}`, { role: 'member' }],
    ['DELETE', `/members/${ids.ann}`, undefined],
    ['DELETE', `/members/${ids.dan}`, undefined],
    ['GET', '/invitations', undefined],
    ['POST', '/invitations', { email: 'dan@example.com' }],
    ['DELETE', '/invitations/inv_x', undefined],
  ] as const)
    expect([method, url, await says('dan', method, `teams/${teamId}${url}`, body)]).toEqual([
      method,
      url,
      'team_not_found',
    ]);
  expect(await browsers.ann.data('GET', `teams/${teamId}`)).toMatchObject({ name: 'Studio', members: 1 });
  // Not even to the admin of the server, who is no member of it.
  expect((await admin.send('GET', `teams/${teamId}`)).statusCode).toBe(404);
});

describe('roles', () => {
  test('nobody gives or takes what is above themselves', async () => {
    const teamId = await create('ann');
    await join('ann', teamId, 'ben', 'admin');
    await join('ann', teamId, 'cat');
    const members = `teams/${teamId}/members`;
    expect(await says('cat', 'PATCH', `teams/${teamId}`, { name: 'x' })).toBe('forbidden');
    expect(await says('cat', 'PATCH', `${members}/${ids.cat}`, { role: 'owner' })).toBe('forbidden');
    expect(await says('cat', 'DELETE', `${members}/${ids.ben}`)).toBe('forbidden');
    expect(await says('cat', 'POST', `teams/${teamId}/invitations`, { email: 'dan@example.com' })).toBe(
      'forbidden',
    );
    expect(await says('cat', 'GET', `teams/${teamId}/invitations`)).toBe('forbidden');
    expect(await says('ben', 'PATCH', `${members}/${ids.ben}`, { role: 'owner' })).toBe('forbidden');
    expect(await says('ben', 'PATCH', `${members}/${ids.ann}`, { role: 'member' })).toBe('forbidden');
    expect(await says('ben', 'DELETE', `${members}/${ids.ann}`)).toBe('forbidden');
    const asOwner = { email: 'dan@example.com', role: 'owner' };
    expect(await says('ben', 'POST', `teams/${teamId}/invitations`, asOwner)).toBe('forbidden');
    expect(await says('ben', 'DELETE', `teams/${teamId}`)).toBe('forbidden');
    expect(await says('ben', 'PATCH', `${members}/${ids.cat}`, { role: 'admin' })).toBe(200);
    expect(await says('ben', 'PATCH', `${members}/${ids.dan}`, { role: 'admin' })).toBe('member_not_found');
    expect(await says('ann', 'PATCH', `${members}/${ids.ben}`, { role: 'boss' })).toBe('invalid_request');
    expect(await says('ann', 'DELETE', `teams/${teamId}`)).toBe(200);
    expect(await says('ben', 'GET', `teams/${teamId}`)).toBe('team_not_found');
  });

  test('the last owner stays one; of two who leave at once one does', async () => {
    const teamId = await create('ann');
    const members = `teams/${teamId}/members`;
    expect(await says('ann', 'DELETE', `${members}/${ids.ann}`)).toBe('last_owner');
    expect(await says('ann', 'PATCH', `${members}/${ids.ann}`, { role: 'member' })).toBe('last_owner');
    await join('ann', teamId, 'ben', 'owner');
    const both = await Promise.all([
      says('ann', 'DELETE', `${members}/${ids.ann}`),
      says('ben', 'PATCH', `${members}/${ids.ben}`, { role: 'member' }),
    ]);
    expect(both.toSorted()).toEqual([200, 'last_owner']);
  });
});

describe('invitations', () => {
  test('only the address that was invited sees, accepts or declines it', async () => {
    const teamId = await create('ann');
    const sent = await browsers.ann.data<{ invitationId: string; link: string }>(
      'POST',
      `teams/${teamId}/invitations`,
      { email: 'BEN@example.com' },
    );
    expect(sent.link).toContain(sent.invitationId);
    expect(await browsers.ben.data('GET', 'team-invitations')).toMatchObject([{ teamId, role: 'member' }]);
    expect(await browsers.cat.data('GET', 'team-invitations')).toEqual([]);
    const path = `team-invitations/${sent.invitationId}`;
    for (const end of ['accept', 'decline'])
      expect(await says('cat', 'POST', `${path}/${end}`)).toBe('invitation_not_found');
    // Asked again it is the same one.
    const again = { email: 'ben@example.com', role: 'admin' };
    const { invitationId } = await browsers.ann.data<{ invitationId: string }>(
      'POST',
      `teams/${teamId}/invitations`,
      again,
    );
    expect(invitationId).toBe(sent.invitationId);
    const both = await Promise.all([
      says('ben', 'POST', `${path}/accept`),
      says('ben', 'POST', `${path}/accept`),
    ]);
    expect(both.toSorted()).toEqual([200, 'invitation_not_found']);
    expect(await browsers.ben.data('GET', `teams/${teamId}`)).toMatchObject({ role: 'admin', members: 2 });
    expect(await says('ann', 'POST', `teams/${teamId}/invitations`, again)).toBe('already_member');
  });

  test('a declined, revoked or expired one is gone', async () => {
    const teamId = await create('ann');
    const invite = async () =>
      (
        await browsers.ann.data<{ invitationId: string }>('POST', `teams/${teamId}/invitations`, {
          email: 'dan@example.com',
        })
      ).invitationId;
    const declined = await invite();
    expect(await says('dan', 'POST', `team-invitations/${declined}/decline`)).toBe(200);
    expect(await says('dan', 'POST', `team-invitations/${declined}/accept`)).toBe('invitation_not_found');
    const revoked = await invite();
    expect(await browsers.ann.data('GET', `teams/${teamId}/invitations`)).toMatchObject([
      { invitationId: revoked },
    ]);
    expect(await says('ann', 'DELETE', `teams/${teamId}/invitations/${revoked}`)).toBe(200);
    expect(await says('dan', 'POST', `team-invitations/${revoked}/accept`)).toBe('invitation_not_found');
    const late = await invite();
    await shared().clock.advance(14 * 24 * 3600_000);
    expect(await browsers.dan.data('GET', 'team-invitations')).toEqual([]);
    expect(await says('dan', 'POST', `team-invitations/${late}/accept`)).toBe('invitation_not_found');
  });
});

test('an invitation by somebody who may not invite any more is void', async () => {
  const teamId = await create('ann');
  await join('ann', teamId, 'ben', 'owner');
  const body = { email: 'dan@example.com', role: 'owner' };
  const path = `teams/${teamId}/invitations`;
  const { invitationId } = await browsers.ben.data<{ invitationId: string }>('POST', path, body);
  expect(await says('ann', 'PATCH', `teams/${teamId}/members/${ids.ben}`, { role: 'admin' })).toBe(200);
  expect(await says('dan', 'POST', `team-invitations/${invitationId}/accept`)).toBe('invitation_not_found');
});

test('invitations by somebody who is locked out, or no admin any more, are void', async () => {
  const ben = () => `admin/users/${ids.ben}`;
  const teamId = await create('ben');
  const body = { email: 'dan@example.com' };
  const invited = await browsers.ben.data<{ invitationId: string }>(
    'POST',
    `teams/${teamId}/invitations`,
    body,
  );
  await admin.data('PATCH', ben(), { role: 'admin' });
  const token = await invitation(browsers.ben, 'new@example.com');
  await admin.data('PATCH', ben(), { role: 'user' });
  const newcomer = { token, name: 'New', password: PASSWORD };
  const refused = await createBrowser(shared()).send('POST', 'auth/sign-up/accept', newcomer);
  expect(codeOf(refused)).toBe('invalid_link');
  expect(await admin.data('GET', 'auth/invitations')).toEqual([]);
  await admin.data('PATCH', ben(), { disabled: true });
  expect(await says('dan', 'POST', `team-invitations/${invited.invitationId}/accept`)).toBe(
    'invitation_not_found',
  );
  await admin.data('PATCH', ben(), { disabled: false });
});

test('who accepts while the invitation is being renewed gets the role that it offers then', async () => {
  const { db } = shared();
  const teamId = await create('ann');
  const { invitationId } = await browsers.ann.data<{ invitationId: string }>(
    'POST',
    `teams/${teamId}/invitations`,
    { email: 'dan@example.com', role: 'owner' },
  );
  const isWaiting = async () =>
    (
      await sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(
        db,
      )
    ).rows.length > 0;
  const accepting = await db.transaction().execute(async (tx) => {
    await sql`select from teams where id = ${teamId} for update`.execute(tx);
    const answer = says('dan', 'POST', `team-invitations/${invitationId}/accept`);
    await vi.waitFor(async () => expect(await isWaiting()).toBe(true));
    await sql`update team_invitations set role = 'member' where id = ${invitationId}`.execute(tx);
    return { answer };
  });
  expect(await accepting.answer).toBe(200);
  expect(await browsers.dan.data('GET', `teams/${teamId}`)).toMatchObject({ role: 'member' });
});

test('whatever happens to two teams, everybody sees what the space they work in owns, and nothing else', async () => {
  type Role = 'owner' | 'admin' | 'member';
  const who = constantFrom(...NAMES);
  const team = constantFrom(0, 1);
  const role = constantFrom<Role>('owner', 'admin', 'member');
  const step = oneof(
    record({ kind: constant('join' as const), by: who, who, team, role }),
    record({ kind: constant('role' as const), by: who, who, team, role }),
    record({ kind: constant('remove' as const), by: who, who, team }),
    record({ kind: constant('switch' as const), who, team: constantFrom(0, 1, null) }),
    record({ kind: constant('video' as const), who }),
  );
  const rank = { member: 0, admin: 1, owner: 2 };
  const videos = new Map<string, Set<string>>();

  await assert(
    asyncProperty(array(step, { minLength: 15, maxLength: 25 }), async (steps) => {
      const teams = [await create('ann'), await create('ben')] as const;
      const roles = [new Map<Who, Role>([['ann', 'owner']]), new Map<Who, Role>([['ben', 'owner']])] as const;
      const active = new Map<Who, 0 | 1>();
      for (const name of NAMES) await switchTo(name, null);
      const owners = (index: 0 | 1) => [...roles[index].values()].filter((each) => each === 'owner').length;
      const spaceOf = (name: Who) => {
        const index = active.get(name);
        return index !== undefined && roles[index].has(name) ? teams[index] : ids[name];
      };

      for (const each of steps) {
        if (each.kind === 'video') {
          const owner = spaceOf(each.who);
          videos.set(owner, (videos.get(owner) ?? new Set()).add(await makeVideo(each.who)));
          continue;
        }
        const index = each.team as 0 | 1;
        if (each.kind === 'switch') {
          const allowed = each.team === null || roles[index].has(each.who);
          const teamId = each.team === null ? null : teams[index];
          expect(await switchTo(each.who, teamId)).toBe(allowed ? 200 : 'team_not_found');
          if (each.team === null) active.delete(each.who);
          else if (allowed) active.set(each.who, index);
          continue;
        }
        const [mine, theirs] = [roles[index].get(each.by), roles[index].get(each.who)];
        const member = `teams/${teams[index]}/members/${ids[each.who]}`;
        if (each.kind === 'join') {
          const expected =
            mine === undefined
              ? 'team_not_found'
              : mine === 'member' || rank[each.role] > rank[mine]
                ? 'forbidden'
                : theirs
                  ? 'already_member'
                  : 201;
          const body = { email: `${each.who}@example.com`, role: each.role };
          const response = await browsers[each.by].send('POST', `teams/${teams[index]}/invitations`, body);
          expect(response.statusCode === 201 ? 201 : codeOf(response)).toBe(expected);
          if (response.statusCode !== 201) continue;
          const { invitationId } = (response.json() as { data: { invitationId: string } }).data;
          expect(await says(each.who, 'POST', `team-invitations/${invitationId}/accept`)).toBe(200);
          roles[index].set(each.who, each.role);
          continue;
        }
        const to = each.kind === 'role' ? each.role : 'member';
        const leaves = each.kind === 'remove' && each.by === each.who;
        const expected =
          mine === undefined
            ? 'team_not_found'
            : mine === 'member' && !leaves
              ? 'forbidden'
              : theirs === undefined
                ? 'member_not_found'
                : rank[theirs] > rank[mine] || rank[to] > rank[mine]
                  ? 'forbidden'
                  : theirs === 'owner' && (each.kind === 'remove' || to !== 'owner') && owners(index) < 2
                    ? 'last_owner'
                    : 200;
        const answer =
          each.kind === 'role'
            ? await says(each.by, 'PATCH', member, { role: each.role })
            : await says(each.by, 'DELETE', member);
        expect(answer).toBe(expected);
        if (answer !== 200) continue;
        if (each.kind === 'role') roles[index].set(each.who, each.role);
        else roles[index].delete(each.who);
      }

      const everything = [...videos.values()].flatMap((set) => Array.from(set));
      for (const name of NAMES) {
        const listed = await browsers[name].data<{ jobId: string }[]>('GET', 'videos?limit=100');
        const own = videos.get(spaceOf(name)) ?? new Set();
        expect(new Set(listed.map(({ jobId }) => jobId))).toEqual(own);
        const foreign = everything.find((jobId) => !own.has(jobId));
        if (foreign !== undefined) expect(await says(name, 'GET', `videos/${foreign}`)).toBe('job_not_found');
        const mine = await browsers[name].data<{ teamId: string; role: string }[]>('GET', 'teams');
        for (const index of [0, 1] as const)
          expect(mine.find(({ teamId }) => teamId === teams[index])?.role).toBe(roles[index].get(name));
      }
    }),
    { numRuns: 12 },
  );
});
