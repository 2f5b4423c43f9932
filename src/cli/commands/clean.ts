/** `muster clean`: gives back worktrees of attempts that are over, once a ref holds everything in them; with an age or a size, old data goes too. */
import type { Command } from "commander";
import type { CleanItem, CleanPlan, Cleaned, Forgotten, OldItem } from "../../api/housekeeping.ts";
import { Fault, exitCodes } from "../../core/fault.ts";
import { findTarget } from "../address.ts";
import { connect } from "../connect.ts";
import { examples } from "../help.ts";
import { ageText, sizeText } from "../measure.ts";
import { note, oneLine, say, sayJson, tint } from "../output.ts";

interface CleanFlags {
  readonly dryRun?: boolean;
  readonly json?: boolean;
  /** true: no time was said. */
  readonly olderThan?: string | true;
  /** true: no size was said. */
  readonly largerThan?: string | true;
}

export function cleanCommand(root: Command): void {
  const command = root
    .command("clean")
    .description("remove kept worktrees, content stays in refs")
    .argument("[run[/task]]", "only these, restored ones too")
    .option("--older-than [time]", "only older ones, with old runs: 30d")
    .option("--larger-than [size]", "oldest of settled runs over it: 2GB")
    .option("--dry-run", "show what would go")
    .option("--json", "print an object")
    .action(async (wanted: string | undefined, flags: CleanFlags) => {
      process.exitCode = await clean(wanted, flags);
    });
  examples(command, [
    ["muster clean --dry-run", "what, why, and where it stays"],
    ["muster clean run_1e9443u1/api", "one worktree"],
    ["muster clean --older-than 7d", "transcripts and snapshots too, for good"],
    ["muster clean --older-than", "`retention` days of your config, else 30"],
    ["muster clean --larger-than 2GB", "the oldest first; snapshots stay"],
    ["muster clean --larger-than", "`size` of your config, else 5GB"],
  ]);
}

async function clean(
  wanted: string | undefined,
  { dryRun = false, json = false, olderThan, largerThan }: CleanFlags,
): Promise<number> {
  const olderThanMs = olderThan === undefined ? null : await readAge(olderThan);
  const largerThanBytes = largerThan === undefined ? null : await readSize(largerThan);
  const daemon = await connect();
  const { run, task } =
    wanted === undefined ? { run: null, task: null } : await findTarget(daemon, wanted);
  const plan = await daemon.clean({ run, task, olderThanMs, largerThanBytes });
  if (dryRun) {
    if (json) sayJson({ schema: 1, clean: { ...plan, cleaned: null, forgotten: null } });
    else say(planText(plan));
    return 0;
  }
  // What a person restored goes by its name only.
  const going = plan.items.filter(({ restored }) => !restored || run !== null);
  const tell = (lines: readonly string[]): void => {
    if (!json) for (const line of lines) say(line);
  };
  const limits = { olderThanMs, largerThanBytes };
  const cleaned: Cleaned[] = [];
  for (let from = 0; from < going.length; from += together) {
    const worktrees = going.slice(from, from + together).map(({ worktree }) => worktree);
    const done = await daemon.performClean({ worktrees, attempts: [], ...limits });
    cleaned.push(...done.cleaned);
    tell(done.cleaned.map(cleanedText));
  }
  const attempts = oldOf(plan, cleaned);
  const { forgotten } =
    attempts.length === 0
      ? { forgotten: [] }
      : await daemon.performClean({ worktrees: [], attempts, ...limits });
  tell(forgotten.map(forgottenText));
  if (json) sayJson({ schema: 1, clean: { ...plan, cleaned, forgotten } });
  else {
    if (cleaned.length + forgotten.length === 0) note("◎ nothing to clean");
    for (const item of plan.items) if (!going.includes(item)) note(itemText(item));
  }
  const all = [...cleaned, ...forgotten].every(({ removed }) => removed);
  return all ? 0 : exitCodes.refused;
}

/** Worktrees of one request: each takes up to seconds, a request has two minutes, and a person sees what has gone. */
const together = 10;

/** What has just come into a ref is not what a person saw as old. */
function oldOf({ old }: CleanPlan, cleaned: readonly Cleaned[]): string[] {
  const fresh = new Set(cleaned.map(({ attempt }) => attempt));
  return old
    .filter(({ attempt, blocked }) => blocked === null && !fresh.has(attempt))
    .map(({ attempt }) => attempt);
}

const dayMs = 24 * 3_600_000;

/** Milliseconds. Throws Fault `usage` for what is no time. */
async function readAge(said: string | true): Promise<number> {
  if (said === true) {
    const { readUserConfig } = await import("../../config/user.ts");
    return readUserConfig(process.env).retention * dayMs;
  }
  const { parseDuration } = await import("../../plan/fields.ts");
  const ms = parseDuration(said);
  if (ms !== undefined && ms !== null) return ms;
  throw new Fault(
    "usage",
    `--older-than is ${oneLine(said, 60)}, expected a time such as 7d or 12h`,
    {
      remedy: "muster clean --older-than 7d --dry-run",
    },
  );
}

/** Bytes. Throws Fault `usage` for what is no size. */
async function readSize(said: string | true): Promise<number> {
  if (said === true) {
    const { readUserConfig } = await import("../../config/user.ts");
    return readUserConfig(process.env).size;
  }
  const { parseSize } = await import("../../config/fields.ts");
  const bytes = parseSize(said);
  if (bytes !== undefined) return bytes;
  throw new Fault(
    "usage",
    `--larger-than is ${oneLine(said, 60)}, expected a size such as 2GB or 500MB`,
    { remedy: "muster clean --larger-than 2GB --dry-run" },
  );
}

function planText({ items, old }: CleanPlan): string {
  const lines = [...items.map(itemText), ...old.map(oldText)];
  return lines.length === 0 ? "nothing to clean" : lines.join("\n");
}

function itemText(item: CleanItem): string {
  const { run, task, worktree, why, ref, blocked, bytes, branch } = item;
  const path = `${worktree}${bytes === null ? "" : ` (${sizeText(bytes)})`}`;
  const lines =
    blocked === null
      ? [
          `${tint("busy", "○")} ${path}`,
          `  its content stays in ${ref}`,
          ...(branch === null ? [] : [`  its branch goes after it: ${oneLine(branch, 200)}`]),
        ]
      : [`${tint("ask", "▲")} ${path}`, `  stays: ${oneLine(blocked, 400)}`];
  return [...lines, `  of ${run}/${task}, whose attempt is over (${oneLine(why, 200)})`].join("\n");
}

function oldText(item: OldItem): string {
  const { run, task, attempt, since, folders, refs, bytes, blocked, why } = item;
  const held = why === "age" ? `${refs.length} snapshots` : "its snapshots stay";
  const size = bytes === null ? "" : ` (${sizeText(bytes)})`;
  const mark = blocked === null ? tint("busy", "○") : tint("ask", "▲");
  return [
    `${mark} ${attempt} of ${run}/${task}, ${ageText(Date.now() - since)} old${why === "size" ? ", over the size limit" : ""}`,
    blocked === null
      ? `  goes for good: ${folders.length} folders${size}, ${held}`
      : `  stays: ${oneLine(blocked, 400)}`,
  ].join("\n");
}

function cleanedText({ worktree, removed, ref, branch, why }: Cleaned): string {
  if (!removed) return `${tint("bad", "✗")} kept ${worktree}: ${oneLine(why ?? "", 400)}`;
  const lines = [`${tint("good", "✓")} removed ${worktree}`, `  its content stays in ${ref}`];
  if (branch !== null) lines.push(`  its branch went after it: ${oneLine(branch, 200)}`);
  return lines.join("\n");
}

function forgottenText({ attempt, removed, refs, why }: Forgotten): string {
  return removed
    ? `${tint("good", "✓")} removed what was left of ${attempt}, ${refs.length} snapshots with it`
    : `${tint("bad", "✗")} kept ${attempt}: ${oneLine(why ?? "", 400)}`;
}
