/** The answers that the page came with, so that what it asks first needs no round trip. */
import type { AnomaliesAnswer, Definition, LatestResponse, Recounts, Session, Status } from "./api.ts";

interface FirstAnswers {
  /** The version of the store that they are of. */
  store_version?: string;
  session?: Session;
  latest?: LatestResponse;
  definitions?: { definitions: Definition[] };
  anomalies?: AnomaliesAnswer;
  status?: Status;
  recounts?: Recounts;
}

/** What the element of the page holds; nothing where the browser shows a page of its history again, which may be old. */
function read(): FirstAnswers {
  if (typeof document === "undefined") return {};
  const [entry] = performance.getEntriesByType("navigation");
  if (entry && (entry as PerformanceNavigationTiming).type === "back_forward") return {};
  try {
    return JSON.parse(document.getElementById("first-answers")?.textContent ?? "{}") as FirstAnswers;
  } catch {
    return {};
  }
}

const { store_version: storeVersion, definitions, ...answers } = read();

/** The version of the store that the answers are of. */
export const firstStoreVersion = storeVersion;

/** The answers by the keys of the resources that show them. */
export const firstAnswers = new Map<string, unknown>(
  Object.entries({ ...answers, definitions: definitions?.definitions }).filter(([, answer]) => answer !== undefined),
);
