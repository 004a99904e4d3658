// Debian's Chromium without a display, and what the tests read out of its page.

import type { AxeResults } from "axe-core";
import { chromium, type BrowserContext, type CDPSession, type Page } from "playwright-core";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];

export interface Browser {
  readonly context: BrowserContext;
  close(): Promise<void>;
}

export async function openBrowser(): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), "quadrille-chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    headless: true,
    args: FLAGS,
    viewport: { width: 1600, height: 1000 },
    colorScheme: "dark",
  });
  return {
    context,
    close: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

/** A rectangle in fractions of the picture. */
export interface Part {
  x: number;
  y: number;
  width: number;
  height: number;
}

export const QUADRANTS: Part[] = [
  { x: 0, y: 0, width: 0.5, height: 0.5 },
  { x: 0.5, y: 0, width: 0.5, height: 0.5 },
  { x: 0, y: 0.5, width: 0.5, height: 0.5 },
  { x: 0.5, y: 0.5, width: 0.5, height: 0.5 },
];

export const STILL = { width: 96, height: 54 };

/** The picture that the video shows now, one RGB still of `STILL` size per part. */
export async function stills(page: Page, parts: Part[]): Promise<number[][]> {
  return page.evaluate(
    ({ parts, size }) => {
      const video = document.querySelector("video") as HTMLVideoElement;
      const canvas = document.createElement("canvas");
      canvas.width = size.width;
      canvas.height = size.height;
      const drawing = canvas.getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
      const [w, h] = [video.videoWidth, video.videoHeight];
      return parts.map((part) => {
        drawing.drawImage(video, part.x * w, part.y * h, part.width * w, part.height * h, 0, 0, size.width, size.height);
        const rgba = drawing.getImageData(0, 0, size.width, size.height).data;
        return Array.from(rgba).filter((_, at) => at % 4 !== 3);
      });
    },
    { parts, size: STILL },
  );
}

/**
 * Left, top, right and bottom of what is not background in each quadrant of the picture that the video shows now, in parts of its height.
 * The background is what the very middle shows, which is no picture in a mosaic with a gap.
 */
export async function pictureEdges(page: Page): Promise<number[][]> {
  return page.evaluate(() => {
    const video = document.querySelector("video") as HTMLVideoElement;
    const [w, h] = [video.videoWidth, video.videoHeight];
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [w, h];
    const drawing = canvas.getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
    drawing.drawImage(video, 0, 0);
    const { data } = drawing.getImageData(0, 0, w, h);
    const [halfWidth, halfHeight] = [Math.floor(w / 2), Math.floor(h / 2)];
    const colour = (x: number, y: number) => [0, 1, 2].map((channel) => data[4 * (y * w + x) + channel] ?? 0);
    const background = colour(halfWidth, halfHeight);
    const isPicture = (x: number, y: number) => colour(x, y).some((value, channel) => Math.abs(value - (background[channel] ?? 0)) > 32);
    return [0, 1, 2, 3].map((quadrant) => {
      const [x0, y0] = [(quadrant % 2) * halfWidth, Math.floor(quadrant / 2) * halfHeight];
      const [x1, y1] = [x0 + halfWidth, y0 + halfHeight];
      // A line is the picture's where most of it is not background.
      const row = (y: number) => Array.from({ length: halfWidth }, (_, x) => isPicture(x0 + x, y)).filter(Boolean).length > halfWidth / 2;
      const column = (x: number) => Array.from({ length: halfHeight }, (_, y) => isPicture(x, y0 + y)).filter(Boolean).length > halfHeight / 2;
      let [left, top, right, bottom] = [x0, y0, x1, y1];
      while (left < x1 && !column(left)) left += 1;
      while (top < y1 && !row(top)) top += 1;
      while (right > left && !column(right - 1)) right -= 1;
      while (bottom > top && !row(bottom - 1)) bottom -= 1;
      return [left, top, right, bottom].map((at) => at / h);
    });
  });
}

/** Mean difference of two stills, 0 to 255. */
export function distance(a: number[], b: number[]): number {
  return a.reduce((sum, value, at) => sum + Math.abs(value - (b[at] ?? 0)), 0) / a.length;
}

/** How many samples differ by more than coding noise does. */
export function changedSamples(a: number[], b: number[]): number {
  return a.filter((value, at) => Math.abs(value - (b[at] ?? 0)) > 24).length;
}

/** The mean of several stills: what stays while things move. */
export function mean(pictures: number[][]): number[] {
  return (pictures[0] ?? []).map((_, at) => pictures.reduce((sum, one) => sum + (one[at] ?? 0), 0) / pictures.length);
}

/** The frequency in Hz with the most energy in what the video element sounds like, over about two seconds. */
export async function loudestFrequency(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const holder = window as unknown as { listening?: { context: AudioContext; analyser: AnalyserNode } };
    if (holder.listening === undefined) {
      const context = new AudioContext();
      const analyser = context.createAnalyser();
      analyser.fftSize = 16384;
      analyser.smoothingTimeConstant = 0;
      context.createMediaElementSource(document.querySelector("video") as HTMLVideoElement).connect(analyser);
      analyser.connect(context.destination);
      holder.listening = { context, analyser };
    }
    const { context, analyser } = holder.listening;
    await context.resume();
    const power = new Float64Array(analyser.frequencyBinCount);
    const decibels = new Float32Array(analyser.frequencyBinCount);
    for (let round = 0; round < 6; round++) {
      await new Promise((done) => setTimeout(done, 350));
      analyser.getFloatFrequencyData(decibels);
      decibels.forEach((value, at) => (power[at] = (power[at] ?? 0) + 10 ** (Math.max(value, -120) / 10)));
    }
    return (power.indexOf(Math.max(...power)) * context.sampleRate) / analyser.fftSize;
  });
}

const NAMED_ROLES = new Set(["button", "radio", "textbox", "slider", "combobox", "link", "checkbox", "group", "list", "region", "form", "Video"]);

/** Controls and regions of the page without an accessible name, as Chromium's own tree has them. */
export async function unnamed(session: CDPSession): Promise<string[]> {
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  return nodes
    .filter((node) => !node.ignored && NAMED_ROLES.has(String(node.role?.value)))
    .filter((node) => !(node.role?.value === "list" || node.role?.value === "group") || (node.properties ?? []).length > 0)
    .filter((node) => String(node.name?.value ?? "").trim() === "")
    .map((node) => `${String(node.role?.value)} (${node.nodeId})`);
}

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** What axe-core finds wrong with a page as it is. */
export async function violationsOf(page: Page): Promise<string[]> {
  if (!(await page.evaluate(() => "axe" in window))) {
    // Past the page's content security policy, which lets no script in but its own.
    const session = await page.context().newCDPSession(page);
    await session.send("Runtime.evaluate", { expression: await readFile(AXE, "utf8") });
    await session.detach();
  }
  const results = await page.evaluate(() => (window as unknown as { axe: { run: () => Promise<AxeResults> } }).axe.run());
  return results.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join("; ")}`);
}
