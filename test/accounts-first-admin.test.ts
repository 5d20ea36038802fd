import { describe, expect, test } from 'vitest';
import { codeOf, createBrowser, PASSWORD } from './accounts-kit.ts';
import { createTestApp } from './create-test-app.ts';

describe('the first admin', () => {
  const WHO = { name: 'Ada', email: 'ada@example.com', password: PASSWORD };

  test('of two at once exactly one becomes the admin, and owns what the key of the settings made', async () => {
    const studio = await createTestApp();
    const { jobId } = await studio.admin.create();
    const local = { address: '127.0.0.1', host: 'localhost' };
    const browsers = [createBrowser(studio, local), createBrowser(studio, local)] as const;
    expect(await browsers[0].data('GET', 'auth/session')).toMatchObject({
      signedIn: false,
      needsFirstAdmin: true,
      me: null,
    });
    const answers = await Promise.all(
      browsers.map((each, index) =>
        each.send('POST', 'auth/first-admin', { ...WHO, email: `A${index}@example.com` }),
      ),
    );
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([201, 409]);
    const winner = browsers[answers.findIndex(({ statusCode }) => statusCode === 201)]!;
    expect(await winner.data('GET', 'auth/session')).toMatchObject({
      needsFirstAdmin: false,
      me: { user: { userId: 'usr_admin', role: 'admin' } },
    });
    expect(await winner.data('GET', `videos/${jobId}`)).toMatchObject({ jobId });
    expect((await winner.send('GET', 'admin/jobs/doubtful')).statusCode).toBe(200);
    expect(codeOf(await winner.send('POST', 'auth/first-admin', WHO))).toBe('first_admin_exists');
    expect(Array.from(winner.cookies)).not.toEqual([]);
  });

  test('from elsewhere it needs the token of the start, which is kept as a hash', async () => {
    const studio = await createTestApp();
    const { firstAdminToken: token = '' } = studio.app;
    const cases: [string, Parameters<typeof createBrowser>[1], Record<string, string>][] = [
      ['another machine', {}, {}],
      [
        'a proxy on this machine',
        { address: '127.0.0.1', host: 'localhost' },
        { 'x-forwarded-for': '127.0.0.1' },
      ],
      ['a name that points here', { address: '127.0.0.1', host: 'evil.example' }, {}],
    ];
    for (const [what, from, headers] of cases) {
      const browser = createBrowser(studio, from);
      for (const wrong of [{}, { token: 'wrong' }]) {
        const response = await browser.send('POST', 'auth/first-admin', { ...WHO, ...wrong }, headers);
        expect([what, response.statusCode, codeOf(response)]).toEqual([
          what,
          403,
          'first_admin_token_required',
        ]);
      }
    }
    expect(JSON.stringify(await studio.db.selectFrom('verifications').selectAll().execute())).not.toContain(
      token,
    );
    const response = await createBrowser(studio).send('POST', 'auth/first-admin', { ...WHO, token });
    expect(response.statusCode).toBe(201);
    expect(await studio.db.selectFrom('verifications').selectAll().execute()).toEqual([]);
  });
});
