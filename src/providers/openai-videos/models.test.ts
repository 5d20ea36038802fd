import { describe, expect, it } from 'vitest';
import { priceMicros } from '../model.ts';
import { SORA_2_PRO } from '../sora.ts';
import { apiBase } from './connection.ts';
import { DIALECTS, dialectNamed } from './dialects.ts';
import { readModels } from './learned-models.ts';
import { configuredModel, modelNamed, withOperations } from './models.ts';

const list = (...ids: string[]) => ({ object: 'list', data: ids.map((id) => ({ id, object: 'model' })) });
const idsOf = (json: unknown, all = false) => readModels(json, all).models.map(({ id }) => id);

describe('the models of a server', () => {
  it('are those whose names make videos', () => {
    const videos = [
      'sora-2',
      'google/veo-3.1-fast',
      'Wan-AI/Wan2.2-T2V-A14B-Diffusers',
      'wan3',
      'kling-v3',
      'hunyuanvideo',
      'x/text-to-video',
    ];
    const others = [
      'gpt-5',
      'whisper-1',
      'wander',
      'video-llava-7b',
      'qwen-video-understanding',
      'text-embedding-3',
      'flux-2',
    ];
    expect(idsOf(list(...videos, ...others))).toEqual(videos);
  });

  it('are all of them, where a server makes nothing else', () => {
    expect(idsOf(list('my-finetune'), true)).toEqual(['my-finetune']);
  });

  it.each([undefined, null, [], {}, { data: 'x' }, { data: [null, 1, { id: 5 }] }])(
    'are none in %j',
    (json) => {
      expect(readModels(json, true)).toEqual({ models: [], promises: undefined });
    },
  );

  it('are what they say they are', () => {
    const said = {
      seconds: [8, 4],
      sizes: ['640x480', 'x'],
      default_size: '640x480',
      input_reference: false,
      price_per_second_usd: 0.05,
    };
    const { models, promises } = readModels({ data: [{ id: 'm', sora_studio: said }] }, false);
    expect(models[0]).toMatchObject({
      seconds: [4, 8],
      defaultSeconds: 4,
      sizes: [{ width: 640, height: 480 }],
      inputReference: false,
      pricePerSecondMicros: 50_000,
    });
    expect(promises).toEqual({
      idempotent: false,
      listComplete: false,
      deleteStops: false,
      keepsMetadata: false,
      keyLifetimeMs: 24 * 3_600_000,
    });
  });

  it('promise only what every one of them promises', () => {
    const entry = (id: string, idempotent: boolean, seconds: number) => ({
      id,
      sora_studio: { idempotency_key: idempotent, idempotency_seconds: seconds, list: 'complete' },
    });
    const { promises } = readModels({ data: [entry('a', true, 7200), entry('b', false, 3600)] }, false);
    expect(promises).toMatchObject({ idempotent: false, listComplete: true, keyLifetimeMs: 3_600_000 });
  });
});

describe('a configured model', () => {
  it('is known by name, as Sora is', () => {
    expect(configuredModel('sora-2-pro', [])).toEqual(SORA_2_PRO);
    expect(priceMicros(SORA_2_PRO, 8, { width: 1920, height: 1080 })).toBe(5_600_000);
    expect(priceMicros(modelNamed('odd'), 8, { width: 1280, height: 720 })).toBeUndefined();
  });

  it('is what the operator says, and its defaults fit', () => {
    const given = {
      id: 'fast',
      upstreamModel: 'sora-2',
      seconds: [10, 5],
      sizes: ['640x480'],
      pricePerSecondUsd: 0.2,
    };
    expect(configuredModel(given, [])).toMatchObject({
      id: 'fast',
      upstreamModel: 'sora-2',
      seconds: [5, 10],
      defaultSeconds: 5,
      defaultSize: { width: 640, height: 480 },
      pricePerSecondMicros: 200_000,
    });
  });

  it('takes over what the server said', () => {
    const learned = [{ ...modelNamed('m'), seconds: [6] }];
    expect(configuredModel('m', learned).seconds).toEqual([6]);
  });
});

describe('addresses and dialects', () => {
  it.each([
    ['http://h:1', 'http://h:1/v1'],
    ['http://h/v1/', 'http://h/v1'],
    ['https://h/api', 'https://h/api/v1'],
    ['https://h/openai/v1', 'https://h/openai/v1'],
    ['https://user:pw@h/v2?x#y', 'https://h/v2'],
  ])('%s', (given, base) => expect(apiBase(given)).toBe(base));

  it('are known by name', () => {
    expect(dialectNamed()).toEqual(DIALECTS.generic);
    expect(dialectNamed('sglang', { seconds: 'string' })).toMatchObject({
      seconds: 'string',
      videoOnly: true,
    });
    expect(() => dialectNamed('klingon')).toThrow('known: generic, openai');
    expect(() => dialectNamed('toString')).toThrow('no such dialect');
  });
});

describe('what a server makes of finished videos', () => {
  const said = (operations?: unknown) =>
    readModels({ data: [{ id: 'm', sora_studio: { operations } }] }, false).models[0]?.operations;
  it('is what it says, as far as we know it', () => {
    expect(said(['extend', 'dance', 'remix'])).toEqual(['remix', 'extend']);
    expect(said([])).toEqual([]);
    expect(said()).toBeUndefined();
  });

  it('is else what the operator says, else what servers of its kind do', () => {
    const configured = configuredModel({ id: 'm', operations: ['edit'] }, []);
    expect(withOperations(configured, ['remix']).operations).toEqual(['edit']);
    expect(withOperations(modelNamed('m'), ['remix']).operations).toEqual(['remix']);
  });
});
