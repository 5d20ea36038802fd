import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { expect, onTestFinished, test } from 'vitest';
import { startApp } from './start-app.ts';

const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = process.env['CHROMIUM_PATH'] ?? CANDIDATES.find((path) => existsSync(path));
const reason = executablePath ? '' : ' (skipped: no Chromium here; apt-get install chromium)';

interface Facts {
  width: number;
  height: number;
  duration: number;
  playsOn: boolean;
  colours: number;
}

/** Runs in the page (as text, since the page's globals are not ours): loads, seeks, looks at a frame, plays on. */
const PLAY = `(async () => {
  const video = document.querySelector('video');
  if (!video) throw new Error('no video');
  if (video.readyState < 4)
    await new Promise((resolve) => video.addEventListener('canplaythrough', resolve));
  video.currentTime = 2;
  await new Promise((resolve) => video.addEventListener('seeked', resolve));
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  await video.play();
  await new Promise((resolve) => setTimeout(resolve, 300));
  return {
    width: video.videoWidth,
    height: video.videoHeight,
    duration: video.duration,
    playsOn: video.currentTime > 2,
    colours: new Set(pixels).size,
  };
})()`;

async function openPage() {
  const browser = await chromium.launch({
    executablePath: executablePath ?? '',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
  });
  onTestFinished(() => browser.close());
  return browser.newPage();
}

test.skipIf(!executablePath)(
  `a browser plays the video in the asked size and length, and seeks${reason}`,
  async () => {
    const { url, key } = await startApp();
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const body = JSON.stringify({
      prompt: 'a red kite over green hills',
      resolution: '640x360',
      duration: 3,
    });
    const created = (await (
      await fetch(`${url}/api/v1/videos`, { method: 'POST', headers, body })
    ).json()) as {
      data: { jobId: string };
    };
    const path = `/api/v1/videos/${created.data.jobId}`;
    await expect
      .poll(
        async () =>
          ((await (await fetch(url + path, { headers })).json()) as { data: { status: string } }).data.status,
        {
          timeout: 20_000,
        },
      )
      .toBe('completed');

    const page = await openPage();
    await page.setExtraHTTPHeaders({ authorization: `Bearer ${key}` });
    await page.goto(`${url}/health`);
    await page.setContent(`<video muted src="${url}${path}/content"></video>`);
    const facts = await page.evaluate<Facts>(PLAY);
    expect(facts).toMatchObject({ width: 640, height: 360, playsOn: true });
    expect(facts.duration).toBeCloseTo(3, 1);
    expect(facts.colours).toBeGreaterThan(50);
  },
);

test.skipIf(!executablePath)(`/ leads to the API docs, and they show every operation${reason}`, async () => {
  const { url } = await startApp();
  const page = await openPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(`${url}/`);
  await page.waitForSelector('.opblock');
  expect(page.url()).toContain('/docs');
  expect(await page.locator('.opblock').count()).toBeGreaterThan(12);
  expect(errors).toEqual([]);
});
