/** Charts as files: SVG with its title, its legend and its colours written out, and PNG drawn of that. */

const NAMESPACE = "http://www.w3.org/2000/svg";
/** The height of the title and of each entry of the legend, in pixels. */
const ROW = 20;
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

function element(name: string, attributes: Record<string, string | number>, text = ""): SVGElement {
  const made = document.createElementNS(NAMESPACE, name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, String(value));
  made.textContent = text;
  return made;
}

/** A copy that needs no style sheet. A file has the textures that it names, as the page does. */
function inlined(drawing: SVGElement): SVGElement {
  const copy = drawing.cloneNode(true) as SVGElement;
  const [originals, copies] = [drawing.querySelectorAll("*"), copy.querySelectorAll("*")];
  originals.forEach((original, index) => {
    const computed = getComputedStyle(original);
    for (const name of COPIED) {
      const value = computed.getPropertyValue(name);
      if (value && (value !== "none" || name === "fill")) copies[index]?.setAttribute(name, value);
    }
    copies[index]?.removeAttribute("class");
  });
  copy.removeAttribute("aria-hidden");
  return copy;
}

interface Picture {
  text: string;
  width: number;
  height: number;
}

/** The chart of a figure as a document of its own, on the page's background. */
function standalone(figure: HTMLElement, title: string): Picture {
  const drawing = figure.querySelector<SVGSVGElement>(".plot > svg");
  const textures = document.querySelector<SVGElement>("svg.patterns");
  if (!drawing || !textures) throw new Error("the figure has no chart");
  const legend = [...figure.querySelectorAll<HTMLElement>(".legend li")];
  const [width, chartHeight] = [drawing.clientWidth, drawing.clientHeight];
  const height = chartHeight + ROW * (legend.length + 2);
  const page = getComputedStyle(document.documentElement);
  const ink = { fill: page.color, "font-family": page.fontFamily, "font-size": 13 };

  const root = element("svg", { xmlns: NAMESPACE, width, height, viewBox: `0 0 ${width} ${height}` });
  root.append(element("rect", { width: "100%", height: "100%", fill: page.backgroundColor }), ...inlined(textures).children);
  root.append(element("text", { x: 8, y: ROW - 5, ...ink, "font-weight": 600 }, title));
  const place = (copy: SVGElement, x: number, y: number) => {
    copy.setAttribute("x", String(x));
    copy.setAttribute("y", String(y));
    root.append(copy);
  };
  place(inlined(drawing), 0, ROW);
  legend.forEach((entry, index) => {
    const top = ROW + chartHeight + 8 + index * ROW;
    const look = entry.querySelector<SVGElement>("svg");
    if (look) place(inlined(look), 8, top);
    root.append(element("text", { x: look ? 40 : 8, y: top + 11, ...ink }, entry.innerText.trim()));
  });
  return { text: new XMLSerializer().serializeToString(root), width, height };
}

const blobOf = ({ text }: Picture) => new Blob([text], { type: "image/svg+xml" });

export function saveSvg(figure: HTMLElement, title: string, name: string): Promise<void> {
  save(blobOf(standalone(figure, title)), `${name}.svg`);
  return Promise.resolve();
}

/** Saves the chart at twice its size, for screens with many pixels. */
export async function savePng(figure: HTMLElement, title: string, name: string): Promise<void> {
  const picture = standalone(figure, title);
  const url = URL.createObjectURL(blobOf(picture));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [picture.width * 2, picture.height * 2];
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
    if (!blob) throw new Error("the picture is too large");
    save(blob, `${name}.png`);
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
