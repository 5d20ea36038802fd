import { describe, expect, it } from 'vitest';
import { FAULTS } from './faults.ts';
import { helpText, parseFlags } from './flags.ts';

describe('the command line of the simulator server', () => {
  it('has defaults', () => {
    expect(parseFlags([])).toEqual({
      help: false,
      port: 4000,
      host: '127.0.0.1',
      speed: 1,
      faults: {},
      seed: 1,
      apiKey: undefined,
      dialect: 'default',
      cache: undefined,
    });
  });

  it('reads every flag', () => {
    const text =
      '--port 0 --host 0.0.0.0 --speed=0.5 --faults 429=0.1,cut=1 --seed 7 --api-key k --dialect sglang --cache d';
    expect(parseFlags(text.split(' '))).toMatchObject({
      port: 0,
      host: '0.0.0.0',
      speed: 0.5,
      faults: { '429': 0.1, cut: 1 },
      seed: 7,
      apiKey: 'k',
      dialect: 'sglang',
      cache: 'd',
    });
  });

  it.each([
    ['--port 70000', '--port must be a whole number'],
    ['--port x', '--port must be a whole number'],
    ['--speed -1', '--speed'],
    ['--faults nope=1', '--faults: no such fault'],
    ['--dialect klingon', '--dialect must be one of'],
    ['--unknown', "Unknown option '--unknown'"],
    ['stray', 'stray'],
  ])('refuses %s', (args, message) => {
    expect(() => parseFlags(args.split(' '))).toThrow(message);
  });

  it('explains every fault', () => {
    for (const name of Object.keys(FAULTS)) expect(helpText()).toContain(`  ${name} `);
  });
});
