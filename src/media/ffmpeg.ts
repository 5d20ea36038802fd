import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { buffer, text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';

/**
 * Runs the ffmpeg found on PATH, feeding it `input` and collecting its stdout. Only for use in a child, whose
 * time limit and killing reach it too. Rejects with `ENOENT` when there is none, or with ffmpeg's own words.
 */
export async function ffmpeg(args: readonly string[], input: Iterable<Uint8Array> = []): Promise<Buffer> {
  const tool = spawn('ffmpeg', ['-nostdin', '-v', 'error', ...args], { stdio: 'pipe' });
  await once(tool, 'spawn');
  const exit = once(tool, 'exit');
  // ffmpeg may stop reading early: its exit code says whether that was right.
  const fed = pipeline(input, tool.stdin).catch(() => {});
  const [output, complaint, [code]] = await Promise.all([buffer(tool.stdout), text(tool.stderr), exit, fed]);
  if (code !== 0) throw new Error(`ffmpeg: ${complaint.trim().slice(-200) || `exit ${String(code)}`}`);
  return output;
}
