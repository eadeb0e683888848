/** The colours of series, as they are seen with each kind of colour blindness. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { STYLES } from "./model.ts";

type Triple = [number, number, number];

/** How a colour in linear RGB is seen: Machado, Oliveira and Fernandes (2009), with a severity of 1. */
const SEEN: Record<string, [Triple, Triple, Triple]> = {
  "all cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritanopia: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};
/** Distances in Oklab: 0.02 is about what the eye just tells apart side by side. */
const [MIN_DISTANCE, MIN_DISTANCE_OF_FIRST] = [0.075, 0.13];
/** The series of most charts. */
const FIRST = 4;
/** What WCAG asks of graphics. */
const MIN_CONTRAST = 3;

const css = readFileSync(new URL("../../app.css", import.meta.url), "utf8");

/** The value of a variable in the light and the dark theme. */
function pair(name: string): [string, string] {
  const found = new RegExp(`--${name}: light-dark\\((#[0-9a-f]{6}), (#[0-9a-f]{6})\\)`).exec(css);
  assert.ok(found?.[1] && found[2], name);
  return [found[1], found[2]];
}

function linear(hex: string): Triple {
  return [1, 3, 5].map((at) => {
    const channel = parseInt(hex.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  }) as Triple;
}

/** Oklab (Ottosson, 2020), in which distances are about as they are seen. */
function oklab([r, g, b]: Triple): Triple {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function seen(hex: string, by: string): Triple {
  const colour = linear(hex);
  const rows = SEEN[by] ?? [];
  const mixed = rows.map((row) => row.reduce((sum, share, index) => sum + share * (colour[index] ?? 0), 0));
  return oklab(mixed.map((channel) => Math.min(1, Math.max(0, channel))) as Triple);
}

function contrast(one: string, other: string): number {
  const luminance = (hex: string) => linear(hex).reduce((sum, channel, index) => sum + channel * ([0.2126, 0.7152, 0.0722][index] ?? 0), 0);
  const [low = 0, high = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

for (const [theme, name] of ["light", "dark"].entries()) {
  const colours = Array.from({ length: STYLES }, (_, style) => pair(`s${style}`)[theme] ?? "");

  test(`colour-blind readers can distinguish the colours of series, ${name}`, () => {
    for (const by of Object.keys(SEEN))
      colours.forEach((one, style) =>
        colours.slice(0, style).forEach((other, before) => {
          const [a, b] = [seen(one, by), seen(other, by)];
          const distance = Math.hypot(...a.map((part, index) => part - (b[index] ?? 0)));
          const least = style < FIRST ? MIN_DISTANCE_OF_FIRST : MIN_DISTANCE;
          assert.ok(distance >= least, `${by}: ${other} of style ${before} and ${one} of style ${style}, ${distance.toFixed(3)}`);
        }),
      );
  });

  test(`the colours of series are seen on the paper, ${name}`, () => {
    for (const paper of ["paper", "raised", "wash"].map((surface) => pair(surface)[theme] ?? ""))
      for (const colour of colours) assert.ok(contrast(colour, paper) >= MIN_CONTRAST, `${colour} on ${paper}`);
  });
}

test("series differ by more than their colour: by a dash, and by a texture", () => {
  const dashes = Array.from({ length: STYLES }, (_, style) => new RegExp(`\\.s${style} \\{[^}]*--dash: ([^;]+);`).exec(css)?.[1]);
  assert.ok(dashes.every(Boolean), dashes.join());
  assert.equal(new Set(dashes).size, STYLES);
  const patterns = readFileSync(new URL("Patterns.svelte", import.meta.url), "utf8");
  const textures = Array.from({ length: STYLES }, (_, style) => new RegExp(`style === ${style}\\}(<[^>]+>)`).exec(patterns)?.[1] ?? "none");
  assert.equal(new Set(textures).size, STYLES);
});
