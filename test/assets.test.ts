import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { sha256 } from '../src/core/ids.ts';
import { contentOf, errorOf, post, temporaryFiles, upload } from './assets.ts';
import { createTestApp, useTestApp } from './create-test-app.ts';
import { animated, blackPng, fromCamera, halves, picture, pixel, pngChunk } from './images.ts';

const shared = useTestApp();

const ASSETS = '/api/v1/assets';
const dataUrl = (data: Buffer, type = 'image/png') => `data:${type};base64,${data.toString('base64')}`;

test.each(['jpeg', 'png', 'webp'] as const)('a %s is stored and can be read again', async (format) => {
  const { admin } = shared();
  const image = await picture(format, 64, 48);
  const response = await post(admin, ASSETS, { file: image, name: `two halves, ${format}` });
  expect(response.statusCode).toBe(201);
  const { data } = response.json() as { data: Record<string, unknown> };
  expect(response.headers.location).toBe(`${ASSETS}/${String(data['assetId'])}`);
  expect(data).toMatchObject({
    assetId: expect.stringMatching(/^asset_[0-9a-f]{32}$/) as string,
    name: `two halves, ${format}`,
    source: 'upload',
    contentType: `image/${format}`,
    width: 64,
    height: 48,
    original: { width: 64, height: 48 },
    scaled: null,
  });
  const { original: _o, scaled: _s, ...facts } = data;
  expect((await admin.request('GET', `${ASSETS}/${String(data['assetId'])}`)).json()).toEqual({
    success: true,
    data: facts,
  });
  const content = await admin.request('GET', String(data['url']));
  expect(content.headers).toMatchObject({
    'content-type': `image/${format}`,
    'content-length': String(data['fileSize']),
    etag: `"${String(data['sha256'])}"`,
    'content-disposition': `inline; filename="${String(data['assetId'])}.${format}"`,
  });
  expect(sha256(content.rawPayload)).toBe(data['sha256']);
  const again = {
    method: 'GET',
    url: String(data['url']),
    headers: { 'if-none-match': content.headers.etag },
  };
  expect((await admin.inject(again as never)).statusCode).toBe(304);
  expect((await admin.request('HEAD', String(data['url']))).headers['content-length']).toBe(
    String(data['fileSize']),
  );
});

test('nothing that was hidden in or behind the image survives', async () => {
  const { admin } = shared();
  const png = await picture('png');
  const zip = Buffer.from('PK\x05\x06'.padEnd(22, '\0'), 'latin1');
  const tail = Buffer.concat([Buffer.from('<html><script>alert(1)</script></html>'), zip]);
  const text = pngChunk('tEXt', Buffer.from('Comment\0<?php hidden(); ?>', 'latin1'));
  const carrier = Buffer.concat([png.subarray(0, 33), text, png.subarray(33), tail]);
  const second = await sharp({ create: { width: 64, height: 48, channels: 3, background: '#0f0' } })
    .jpeg()
    .toBuffer();
  for (const file of [
    carrier,
    Buffer.concat([await picture('jpeg'), second]),
    Buffer.concat([await picture('jpeg'), tail]),
    Buffer.concat([await picture('webp'), tail]),
  ]) {
    const content = await contentOf(admin, await upload(admin, file));
    expect(content.toString('latin1')).not.toMatch(/html|script|php/);
    expect(await pixel(content, 2, 2)).toEqual([
      expect.closeTo(255, -1),
      expect.closeTo(0, -1),
      expect.closeTo(0, -1),
    ]);
  }
  // The very same asset as without what was hidden: only the picture counts.
  expect((await upload(admin, carrier)).assetId).toBe((await upload(admin, png)).assetId);
});

test('where and how a photo was taken is gone, and it stands upright', async () => {
  const { admin } = shared();
  const photo = await fromCamera(6);
  expect((await sharp(photo).metadata()).orientation).toBe(6);
  expect(photo.toString('latin1')).toContain('secret owner');
  const asset = await upload(admin, photo);
  expect(asset).toMatchObject({ width: 32, height: 64, original: { width: 32, height: 64 }, scaled: null });
  const content = await contentOf(admin, asset);
  const metadata = await sharp(content).metadata();
  expect(metadata.exif).toBeUndefined();
  expect(metadata.orientation).toBeUndefined();
  expect(content.toString('latin1')).not.toMatch(/Exif|secret owner|GPS/);
  const [top, bottom] = [await pixel(content, 16, 8), await pixel(content, 16, 56)];
  expect(top[0]).toBeGreaterThan(200);
  expect(bottom[2]).toBeGreaterThan(200);
});

test('another colour space becomes sRGB', async () => {
  const { admin } = shared();
  const wide = await halves(16, 16).withIccProfile('p3').png().toBuffer();
  expect((await sharp(wide).metadata()).icc).toBeDefined();
  const content = await contentOf(admin, await upload(admin, wide));
  expect((await sharp(content).metadata()).icc).toBeUndefined();
  expect(await pixel(content, 2, 2)).toEqual([255, 0, 0]);
});

test(
  'what is no jpeg, png or webp by its content, or not whole, is refused and leaves nothing',
  { timeout: 60_000 },
  async () => {
    const app = await createTestApp();
    const [png, jpeg, webp] = [await picture('png'), await picture('jpeg'), await picture('webp')];
    const frames = await sharp([await picture('png'), await halves(64, 48).negate().png().toBuffer()], {
      join: { animated: true },
    })
      .webp()
      .toBuffer();
    const cut = (image: Buffer) => image.subarray(0, Math.floor(image.length * 0.9));
    const cases: [string, Buffer, RegExp][] = [
      ['nothing', Buffer.alloc(0), /JPEG, PNG or WebP/],
      ['html', Buffer.from('<!doctype html><p>hello'), /JPEG, PNG or WebP/],
      [
        'svg',
        Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
        /JPEG, PNG or WebP/,
      ],
      ['gif', await halves(8, 8).gif().toBuffer(), /JPEG, PNG or WebP/],
      ['tiff', await halves(8, 8).tiff().toBuffer(), /JPEG, PNG or WebP/],
      ['avif', await halves(8, 8).avif().toBuffer(), /JPEG, PNG or WebP/],
      ['the start of a png and no more', png.subarray(0, 8), /broken or cut off/],
      [
        'svg behind the start of a jpeg',
        Buffer.concat([jpeg.subarray(0, 3), Buffer.from('<svg/>')]),
        /broken/,
      ],
      ['a png cut off', cut(png), /broken or cut off/],
      ['a jpeg cut off', cut(jpeg), /broken or cut off/],
      ['a webp cut off', cut(webp), /broken or cut off/],
      ['an animated webp', frames, /animated/],
      ['an animated png', animated(png), /animated/],
      ['too many pixels', await blackPng(8000, 7000), /8000 x 7000 pixels; at most 50 million/],
      ['a side too long', await blackPng(20_000, 2), /20000 x 2 pixels/],
    ];
    for (const [index, [what, file, mention]] of cases.entries()) {
      // By turns: both ways lead to the same place.
      const response =
        index % 2 === 0
          ? await post(app.admin, ASSETS, { file })
          : await app.admin.request('POST', ASSETS, { url: dataUrl(file) });
      expect(response.statusCode, what).toBe(400);
      expect(errorOf(response), what).toMatchObject({ code: 'invalid_reference' });
      expect(errorOf(response).message, what).toMatch(mention);
    }
    const { pagination } = (await app.admin.request('GET', ASSETS)).json() as {
      pagination: { total: number };
    };
    expect(pagination.total).toBe(0);
    expect(await temporaryFiles(app)).toEqual([]);
    expect(await readdir(join(app.dataDir, 'storage'))).not.toContain('references');
  },
);

test('the type is what the content says, not what the address says', async () => {
  const { admin } = shared();
  const response = await admin.request('POST', ASSETS, {
    url: dataUrl(await picture('jpeg', 40, 30), 'image/png'),
  });
  expect(response.json()).toMatchObject({ data: { contentType: 'image/jpeg', source: 'data_url' } });
});

test('a file over 20 MiB is refused', async () => {
  const { admin } = shared();
  const large = Buffer.concat([await picture('png'), Buffer.alloc(20 * 1024 ** 2)]);
  const response = await post(admin, ASSETS, { file: large });
  expect([response.statusCode, errorOf(response).code]).toEqual([413, 'payload_too_large']);
});

test('the same image twice is one asset and one file, and the name given last', async () => {
  const app = await createTestApp();
  const image = await picture('jpeg');
  const first = await upload(app.admin, image, { name: 'first' });
  await app.clock.advance(1000);
  const again = await app.admin.request('POST', ASSETS, { url: dataUrl(image) });
  expect(again.json()).toMatchObject({ data: { ...first, name: 'first', source: 'upload' } });
  expect((await upload(app.admin, image, { name: 'second' })).name).toBe('second');
  const all = await Promise.all([1, 2, 3].map(() => upload(app.admin, image)));
  expect(new Set(all.map((asset) => asset.assetId))).toEqual(new Set([first.assetId]));
  const other = await app.user();
  expect((await upload(other, image)).assetId).not.toBe(first.assetId);
  expect(await readdir(join(app.dataDir, 'storage', 'references'))).toEqual([`${first.sha256}.jpeg`]);
});

test.each([
  ['cover', [255, 0, 0]],
  ['contain', [0, 0, 0]],
])('an image is scaled on request, and the answer says so (%s)', async (fit, corner) => {
  const { admin } = shared();
  const asset = await upload(admin, await picture('png', 64, 16), { resolution: '32x32', fit });
  expect(asset).toMatchObject({ width: 32, height: 32, original: { width: 64, height: 16 }, scaled: fit });
  expect(await pixel(await contentOf(admin, asset), 1, 1)).toEqual(corner);
});

test('scaled to the size it has, an image is left alone', async () => {
  const { admin } = shared();
  const image = await picture('png', 64, 16);
  const asset = await upload(admin, image, { resolution: '64x16' });
  expect(asset).toMatchObject({ width: 64, height: 16, scaled: null });
  expect(asset.assetId).toBe((await upload(admin, image)).assetId);
});

test.each<[string, Record<string, unknown>, string, RegExp]>([
  ['neither file nor address', {}, 'invalid_request', /one image/],
  ['a size that is none', { url: 'data:,', resolution: '720p' }, 'invalid_request', /1280x720/],
  ['a size too big', { url: 'data:,', resolution: '16000x16000' }, 'invalid_request', /50 million/],
  ['a fit without a size', { url: 'data:,', fit: 'cover' }, 'invalid_request', /resolution/],
  ['an unknown fit', { url: 'data:,', resolution: '8x8', fit: 'fill' }, 'invalid_request', /cover, contain/],
  ['a name that is no text', { url: 'data:,', name: 'a\u0000b' }, 'invalid_request', /name/],
  ['an unknown field', { url: 'data:,', colour: 'red' }, 'unknown_field', /colour/],
  ['a data URL without base64', { url: 'data:image/png,hello' }, 'invalid_reference', /base64/],
])('a request with %s is refused', async (_what, body, code, mention) => {
  const response = await shared().admin.request('POST', ASSETS, body);
  expect([response.statusCode, errorOf(response).code]).toEqual([400, code]);
  expect(errorOf(response).message).toMatch(mention);
});

test('a form with another file field, or with both a file and an address, is refused', async () => {
  const { admin } = shared();
  const file = await picture();
  expect(errorOf(await post(admin, ASSETS, { image: file })).code).toBe('unknown_field');
  expect(errorOf(await post(admin, ASSETS, { file, url: dataUrl(file) })).code).toBe('invalid_request');
});

test('lists go newest first, page by page or by cursor, each owner their own', async () => {
  const app = await createTestApp();
  const [owner, other] = [await app.user('owner'), await app.user('other')];
  const names: string[] = [];
  for (let n = 1; n <= 5; n += 1) {
    names.unshift((await upload(owner, await picture('png', 8 * n, 8), { name: `n${n}` })).name ?? '');
    await app.clock.advance(1000);
  }
  type Page = { data: { name: string }[]; pagination: { total: number; nextCursor: string | null } };
  const page = async (query: string) => (await owner.request('GET', `${ASSETS}?${query}`)).json() as Page;
  const namesOf = ({ data }: Page) => data.map(({ name }) => name);
  const [first, second] = [await page('limit=2'), await page('limit=2&page=2')];
  expect(first.pagination).toMatchObject({ page: 1, limit: 2, total: 5, totalPages: 3 });
  expect([...namesOf(first), ...namesOf(second)]).toEqual(names.slice(0, 4));
  const walked: string[] = [];
  for (let cursor = ''; ;) {
    const step = await page(`limit=2${cursor}`);
    walked.push(...namesOf(step));
    if (step.pagination.nextCursor === null) break;
    cursor = `&cursor=${step.pagination.nextCursor}`;
  }
  expect(walked).toEqual(names);
  expect((await other.request('GET', ASSETS)).json()).toMatchObject({ data: [], pagination: { total: 0 } });
  expect(errorOf(await owner.request('GET', `${ASSETS}?cursor=abc`)).code).toBe('invalid_cursor');
});

test('somebody else’s asset does not exist', async () => {
  const app = shared();
  const { assetId } = await upload(app.admin, await picture('png', 24, 24));
  const stranger = await app.user();
  const attempts = await Promise.all([
    stranger.request('GET', `${ASSETS}/${assetId}`),
    stranger.request('GET', `${ASSETS}/${assetId}/content`),
    stranger.request('DELETE', `${ASSETS}/${assetId}`),
    stranger.request('POST', '/api/v1/videos', { prompt: 'x', inputReference: assetId }),
    stranger.request('POST', '/v1/videos', { prompt: 'x', input_reference: { file_id: assetId } }),
    app.admin.request('GET', `${ASSETS}/asset_00000000000000000000000000000000`),
  ]);
  for (const response of attempts) {
    expect([response.statusCode, errorOf(response).code]).toEqual([404, 'asset_not_found']);
  }
  expect((await app.admin.request('GET', `${ASSETS}/${assetId}`)).statusCode).toBe(200);
});
