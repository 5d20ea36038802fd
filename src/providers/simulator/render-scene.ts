import type { ClipSpec } from './render.ts';
import { createBackground } from './render-background.ts';
import { styleOf, type Yuv } from './render-colours.ts';
import { drawText, type TextMask } from './render-text.ts';

const PANEL_LUMA = 26;
const INK_LUMA = 235;
const GREY = 128;

/** A still rectangle of grey pixels on top of the background; all numbers even. */
interface Panel {
  x: number;
  y: number;
  width: number;
  height: number;
  luma: Buffer;
}

/** Lays out a clip: background, prompt, sign and progress bar. The text is drawn once, here. */
export async function createScene(clip: ClipSpec, fps: number, frames: number) {
  const { width, height, prompt, label = 'simulator' } = clip;
  const style = styleOf(prompt, clip.seed ?? '');
  const paintBackground = createBackground(clip, style, fps);
  const panels = await layOut(clip, prompt, label);
  const barHeight = even(Math.max(2, height / 60));
  const frame = Buffer.alloc((width * height * 3) / 2);

  return {
    /** Draws frame `index` (I420, BT.709, limited range) into the one buffer that it returns every time. */
    draw(index: number): Buffer {
      paintBackground(frame, index);
      for (const panel of panels) paintPanel(frame, clip, panel);
      const top = height - barHeight;
      const done = even((width * (index + 1)) / frames);
      paintFlat(frame, clip, { x: 0, y: top, width: done, height: barHeight }, style.accent);
      const rest = { x: done, y: top, width: width - done, height: barHeight };
      paintFlat(frame, clip, rest, { y: PANEL_LUMA, u: GREY, v: GREY });
      return frame;
    },
  };
}

async function layOut({ width, height }: ClipSpec, prompt: string, label: string): Promise<Panel[]> {
  const side = Math.min(width, height);
  const fontPx = Math.max(7, Math.round(side / 15));
  const signPx = Math.max(6, Math.round(side / 32));
  const pad = Math.round(fontPx * 0.6);
  const maxWidth = Math.max(fontPx, Math.round(width * 0.84) - 2 * pad);
  const [text, sign] = await Promise.all([
    drawText(prompt, { fontPx, maxWidth, maxHeight: Math.max(fontPx * 1.5, height * 0.55) }),
    drawText(label, { fontPx: signPx, maxWidth: Math.round(width * 0.9), maxHeight: signPx * 2 }),
  ]);
  const panels: Panel[] = [];
  if (text) {
    const at = { x: (width - text.width) / 2 - pad, y: (height - text.height) / 2 - pad };
    panels.push(panelOf(text, at, pad, { width, height }));
  }
  const margin = even(signPx / 2);
  if (sign) panels.push(panelOf(sign, { x: margin, y: margin }, margin, { width, height }));
  return panels;
}

/** A panel around a text, cut to the picture. */
function panelOf(text: TextMask, at: { x: number; y: number }, pad: number, picture: Size): Panel {
  const x = Math.max(0, even(at.x));
  const y = Math.max(0, even(at.y));
  const width = Math.min(even(text.width + 2 * pad), picture.width - x);
  const height = Math.min(even(text.height + 2 * pad), picture.height - y);
  const luma = Buffer.alloc(width * height, PANEL_LUMA);
  for (let row = 0; row < Math.min(text.height, height - pad); row += 1) {
    for (let column = 0; column < Math.min(text.width, width - pad); column += 1) {
      const ink = (text.data[row * text.width + column] ?? 0) / 255;
      luma[(row + pad) * width + column + pad] = PANEL_LUMA + (INK_LUMA - PANEL_LUMA) * ink;
    }
  }
  return { x, y, width, height, luma };
}

function paintPanel(frame: Buffer, picture: Size, panel: Panel): void {
  for (let row = 0; row < panel.height; row += 1) {
    const target = (panel.y + row) * picture.width + panel.x;
    panel.luma.copy(frame, target, row * panel.width, (row + 1) * panel.width);
  }
  paintColour(frame, picture, panel, { u: GREY, v: GREY });
}

function paintFlat(frame: Buffer, picture: Size, area: Area, colour: Yuv): void {
  for (let row = area.y; row < area.y + area.height; row += 1) {
    const start = row * picture.width + area.x;
    frame.fill(Math.round(colour.y), start, start + area.width);
  }
  paintColour(frame, picture, area, colour);
}

function paintColour(frame: Buffer, picture: Size, area: Area, { u, v }: { u: number; v: number }): void {
  const plane = picture.width * picture.height;
  const stride = picture.width / 2;
  for (let row = area.y / 2; row < (area.y + area.height) / 2; row += 1) {
    const start = plane + row * stride + area.x / 2;
    frame.fill(Math.round(u), start, start + area.width / 2);
    frame.fill(Math.round(v), start + plane / 4, start + plane / 4 + area.width / 2);
  }
}

interface Size {
  width: number;
  height: number;
}

interface Area extends Size {
  x: number;
  y: number;
}

function even(value: number): number {
  return 2 * Math.round(value / 2);
}
