import { expect, test } from 'vitest';
import { createTestApp } from './create-test-app.ts';

test('a prompt becomes a stored video of the asked size and length, with poster and sheet', async () => {
  const { admin, finish } = await createTestApp();
  const created = await admin.create({
    prompt: 'two cats',
    resolution: '320x180',
    duration: 2,
    name: 'Cats',
    tags: ['a'],
  });
  expect(created).toMatchObject({ status: 'pending', progress: 0, name: 'Cats', tags: ['a'], result: null });

  const job = await finish(created.jobId);
  expect(job).toMatchObject({ status: 'completed', progress: 100, error: null });
  expect(job.result).toMatchObject({ resolution: '320x180', contentType: 'video/mp4' });
  expect(job.result?.duration).toBeCloseTo(2, 1);

  const video = await admin.request('GET', job.result?.videoUrl ?? '');
  expect(video.rawPayload.length).toBe(job.result?.fileSize);
  expect(video.rawPayload.subarray(4, 8).toString()).toBe('ftyp');
  const poster = await admin.request('GET', job.result?.thumbnailUrl ?? '');
  expect(poster.headers['content-type']).toBe('image/webp');
  const sheet = await admin.request('GET', job.result?.spritesheetUrl ?? '');
  expect(sheet.headers['content-type']).toBe('image/jpeg');
});
