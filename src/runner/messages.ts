/**
 * The lines of Claude Code's stream-json output, narrowed to what muster reads. Unknown types and fields are tolerated: the set
 * is open (claude-code.md §5.1). Nothing here trusts a shape that it did not look at.
 */
export type Json = Readonly<Record<string, unknown>>;

/** One line as an object; undefined where it is not one (a torn or foreign line). */
export function parseLine(line: Buffer): Json | undefined {
  try {
    const value: unknown = JSON.parse(line.toString("utf8"));
    return isJson(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function text(json: Json | undefined, key: string): string | null {
  const value = json?.[key];
  return typeof value === "string" ? value : null;
}

export function number(json: Json | undefined, key: string): number | null {
  const value = json?.[key];
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

export function object(json: Json | undefined, key: string): Json | undefined {
  const value = json?.[key];
  return isJson(value) ? value : undefined;
}

export function list(json: Json | undefined, key: string): readonly Json[] {
  const value = json?.[key];
  return Array.isArray(value) ? value.filter(isJson) : [];
}

/** One line of prose for a tool call: its command, file, pattern or url, cut to `max` characters. */
export function toolText(tool: string, input: unknown, max = 300): string {
  const json = isJson(input) ? input : {};
  const what = ["command", "file_path", "pattern", "url", "query", "description"]
    .map((key) => text(json, key))
    .find((v) => v !== null);
  const line = what === undefined || what === null ? tool : `${tool}: ${what}`;
  return line.length <= max ? line : `${line.slice(0, max - 1)}…`;
}

/** The questions of an AskUserQuestion call as text. */
export function questionText(input: unknown): string {
  const questions = list(isJson(input) ? input : {}, "questions").map((question) => {
    const options = list(question, "options")
      .map((option) => text(option, "label"))
      .filter((label) => label !== null);
    const asked = text(question, "question") ?? "?";
    return options.length === 0 ? asked : `${asked} (${options.join(" / ")})`;
  });
  return questions.join("\n") || "a question";
}
