/** The form that makes a definition: which fields a measure has, and how their texts become the body of the request. */

export interface Field {
  name: string;
  label: string;
  hint?: string;
  /** Texts are sent as they are, numbers as numbers, JSON as what it says; lists are separated by commas. */
  kind: "text" | "number" | "json" | "nameOrJson" | "list" | "sql" | "choice" | "flag";
  choices?: readonly string[];
  isRequired?: boolean;
}

const SOURCE: Field = { name: "source", label: "Source", kind: "text", isRequired: true, hint: "one of daymark.toml or the preset" };
const FILTER: Field = {
  name: "filter",
  label: "Filter",
  kind: "json",
  hint: 'which rows count, as {"genre": "jazz"} or {"score": {"at_least": 5}}; none for all',
};
const COLUMN: Field = { name: "column", label: "Column", kind: "text", isRequired: true };
const WINDOW: Field = { name: "window_days", label: "Days", kind: "number", hint: "1 unless given" };
const PERIOD: Field = { name: "window", label: "Or the calendar's", kind: "choice", choices: ["week", "month"] };
const TOP: Field = { name: "top", label: "Labels recorded by name", kind: "number", hint: "10 unless given" };

const SOURCES: Field = { name: "sources", label: "Sources", kind: "list", isRequired: true, hint: "separated by commas" };

export const MEASURES = {
  created: { about: "Rows created on the day", fields: [SOURCE, FILTER] },
  existing: { about: "Rows that exist at the end of the day", fields: [SOURCE, FILTER] },
  distinct_actors: {
    about: "Different people who did something in the days that end with the day",
    fields: [SOURCES, WINDOW, PERIOD, FILTER],
  },
  distinct: {
    about: "Different values of a column in the days that end with the day",
    fields: [SOURCES, COLUMN, WINDOW, PERIOD, FILTER],
  },
  average: { about: "The mean of a column over the rows created on the day", fields: [SOURCE, COLUMN, FILTER] },
  sum: {
    about: "The sum of a column over rows created on the day, or existing at its end",
    fields: [SOURCE, COLUMN, { name: "of", label: "Rows", kind: "choice", choices: ["created", "existing"] }, FILTER],
  },
  minimum: { about: "The least value of a column among the rows created on the day", fields: [SOURCE, COLUMN, FILTER] },
  maximum: { about: "The largest value of a column among the rows created on the day", fields: [SOURCE, COLUMN, FILTER] },
  median: { about: "The median of a column over the rows created in the days that end with the day", fields: [SOURCE, COLUMN, WINDOW, FILTER] },
  quantile: {
    about: "A quantile of a column over the rows created in the days that end with the day",
    fields: [SOURCE, COLUMN, { name: "quantile", label: "Quantile", kind: "json", isRequired: true, hint: "0.95 for the 95th percentile" }, WINDOW, FILTER],
  },
  ratio: {
    about: "One number divided by another",
    fields: [
      { name: "numerator", label: "Numerator", kind: "nameOrJson", isRequired: true, hint: "a metric's name, or a measure as JSON" },
      { name: "denominator", label: "Denominator", kind: "nameOrJson", isRequired: true },
      { name: "type", label: "Type", kind: "choice", choices: ["percentage", "average"] },
    ],
  },
  retention: {
    about: "Of the people who came on an earlier day, the share that is active now",
    fields: [
      SOURCES,
      { name: "after_days", label: "Days since they came", kind: "number", isRequired: true, hint: "7 for those who came a week ago" },
      { ...WINDOW, label: "Active in the last days" },
      { name: "cohort", label: "Those who came", kind: "nameOrJson", hint: "a source whose rows say who came; the first row of each person unless given" },
      FILTER,
    ],
  },
  growth: {
    about: "New, retained, resurrected or churned people of the days that end with the day, compared with the days before",
    fields: [
      SOURCES,
      { name: "state", label: "Which people", kind: "choice", choices: ["new", "retained", "resurrected", "churned"] },
      WINDOW,
      FILTER,
    ],
  },
  breakdown: {
    about: "How rows spread over the values of a column",
    fields: [
      { name: "of", label: "Rows", kind: "choice", choices: ["created", "existing"] },
      SOURCE,
      COLUMN,
      { name: "sum", label: "Sum of", kind: "text", hint: "a column; the number of rows unless one of these three is given" },
      { name: "average", label: "Mean of", kind: "text", hint: "a column" },
      { name: "distinct", label: "Different values of", kind: "text", hint: "a column" },
      TOP,
      FILTER,
    ],
  },
  sql: {
    about: "A query of your own: one SELECT with {day_start}, {day_end} or {day} in it",
    fields: [
      { name: "query", label: "Query", kind: "sql", isRequired: true },
      { name: "returns", label: "Returns", kind: "choice", choices: ["value", "average", "ratio", "labels"] },
      { name: "adds_up", label: "Over weeks and months", kind: "choice", choices: ["sum", "last", "never"] },
      { name: "signed", label: "May be negative", kind: "json", hint: "true for values and labels below 0" },
      { name: "backfill", label: "Past days", kind: "choice", choices: ["auto", "manual"] },
      TOP,
    ],
  },
} as const satisfies Record<string, { about: string; fields: readonly Field[] }>;

export type Measure = keyof typeof MEASURES;

export const COMMON: readonly Field[] = [
  { name: "display_name", label: "Name for people", kind: "text" },
  { name: "description", label: "Description", kind: "text" },
  { name: "unit", label: "Unit", kind: "text", hint: "count, seconds, EUR …" },
  { name: "format_pattern", label: "Format", kind: "text", hint: "0,0 for whole numbers, 0.0 for one decimal place" },
  { name: "group", label: "Group", kind: "text", hint: "the heading under which it is listed" },
  { name: "headline", label: "Show it on the overview", kind: "flag" },
];

export function fieldsOf(measure: Measure): readonly Field[] {
  return [...MEASURES[measure].fields, ...COMMON];
}

export type Texts = Record<string, string>;

/** The text of a flag that is set. */
export const SET = "yes";
/** Fields that are members of `dashboard` in the declaration. */
const OF_DASHBOARD = ["headline", "group"];

/** The texts of the form for a declaration that exists. */
export function textsOf(declaration: Record<string, unknown>): Texts {
  const texts: Texts = {};
  for (const [name, value] of Object.entries(declaration)) {
    if (name === "dashboard") {
      const { headline, group } = value as { headline?: boolean; group?: string };
      Object.assign(texts, headline ? { headline: SET } : {}, group ? { group } : {});
    } else if (Array.isArray(value) && name === "sources") texts[name] = value.join(", ");
    else texts[name] = typeof value === "string" ? value : JSON.stringify(value);
  }
  // A source by itself is a list of one.
  if (["distinct_actors", "distinct", "retention", "growth"].includes(String(declaration.measure)) && !texts.sources) texts.sources = texts.source ?? "";
  return texts;
}

/** The body of the request, and what is wrong before it is sent. Members that no field shows, as bounds, stay as they were. */
export function bodyOf(
  measure: Measure,
  texts: Texts,
  before: Record<string, unknown> = {},
): { body: Record<string, unknown>; errors: Record<string, string> } {
  const shown = new Set(Object.values(MEASURES).flatMap(({ fields }) => fields.map((field) => field.name as string)));
  for (const { name } of COMMON) shown.add(name);
  const kept = Object.entries(before).filter(
    ([name]) => !shown.has(name) && !["measure", "dashboard"].includes(name) && !(measure !== before.measure && name === "type"),
  );
  const body: Record<string, unknown> = { measure, ...Object.fromEntries(kept) };
  const errors: Record<string, string> = {};
  const dashboard: Record<string, unknown> = {};
  for (const field of fieldsOf(measure)) {
    const text = (texts[field.name] ?? "").trim();
    if (text === "") {
      if (field.isRequired) errors[field.name] = "This field is required.";
      continue;
    }
    try {
      (OF_DASHBOARD.includes(field.name) ? dashboard : body)[field.name] = valueOf(field, text);
    } catch (error) {
      errors[field.name] = (error as Error).message;
    }
  }
  if (Object.keys(dashboard).length > 0) body.dashboard = dashboard;
  return { body, errors };
}

function valueOf(field: Field, text: string): unknown {
  switch (field.kind) {
    case "flag":
      return text === SET;
    case "number":
      if (!/^\d+$/.test(text)) throw new Error("Enter a whole number.");
      return Number(text);
    case "list":
      return text.split(",").map((part) => part.trim()).filter(Boolean);
    case "nameOrJson":
      return text.startsWith("{") ? json(text) : text;
    case "json":
      return json(text);
    default:
      return text;
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`This is not JSON: ${(error as Error).message}`);
  }
}

/** What the server says is wrong, by field; what belongs to none is under the empty name. */
export function errorsByField(errors: { parameter: string; detail: string }[], measure: Measure): Record<string, string> {
  const known = new Set(["category", ...fieldsOf(measure).map((field) => field.name)]);
  const found: Record<string, string> = {};
  for (const { parameter, detail } of errors) {
    const [first = "", second = ""] = parameter.split(/[.[]/);
    const field = first === "dashboard" ? second : first;
    const name = known.has(field) ? field : "";
    const text = parameter === first || parameter === "" ? detail : `${parameter}: ${detail}`;
    found[name] = found[name] ? `${found[name]} ${text}` : text;
  }
  return found;
}
