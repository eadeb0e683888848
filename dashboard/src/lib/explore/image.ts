/** Charts as files: SVG with its colours written out, and PNG drawn of that. */

const COPIED = [
  "fill",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "stroke-linejoin",
  "stroke-linecap",
  "opacity",
  "font-family",
  "font-size",
  "text-anchor",
];

/** The drawing as a document of its own, on the page's background. */
export function standalone(drawing: SVGSVGElement): string {
  const copy = drawing.cloneNode(true) as SVGSVGElement;
  const [originals, copies] = [drawing.querySelectorAll("*"), copy.querySelectorAll("*")];
  originals.forEach((original, index) => {
    const computed = getComputedStyle(original);
    for (const name of COPIED) {
      const value = computed.getPropertyValue(name);
      // Textures are elsewhere in the page.
      if (value && value !== "none" && !value.includes("url(")) copies[index]?.setAttribute(name, value);
      else if (value.includes("url(") && name === "fill") copies[index]?.setAttribute("fill", "none");
    }
    if (computed.fill === "none") copies[index]?.setAttribute("fill", "none");
    copies[index]?.removeAttribute("class");
  });
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.removeAttribute("aria-hidden");
  const paper = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  paper.setAttribute("width", "100%");
  paper.setAttribute("height", "100%");
  paper.setAttribute("fill", getComputedStyle(document.documentElement).backgroundColor);
  copy.prepend(paper);
  return new XMLSerializer().serializeToString(copy);
}

export function saveSvg(drawing: SVGSVGElement, name: string): void {
  save(new Blob([standalone(drawing)], { type: "image/svg+xml" }), `${name}.svg`);
}

/** Saves the drawing at twice its size, for screens with many pixels. */
export async function savePng(drawing: SVGSVGElement, name: string): Promise<void> {
  const url = URL.createObjectURL(new Blob([standalone(drawing)], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [drawing.clientWidth * 2, drawing.clientHeight * 2];
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
    if (blob) save(blob, `${name}.png`);
  } finally {
    URL.revokeObjectURL(url);
  }
}

function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
