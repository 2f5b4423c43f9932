/** `muster doctor`: is everything here that muster needs; with `--repair`: is anything of muster's here that nobody has. */
import type { Command } from "commander";
import type { Finding, Looked, Repaired } from "../../api/repair.ts";
import type { Check } from "../../api/service.ts";
import { readUserConfig } from "../../config/user.ts";
import { Fault, exitCodes } from "../../core/fault.ts";
import { count } from "../../core/words.ts";
import { connect } from "../connect.ts";
import { examples } from "../help.ts";
import { askOffline } from "../offline.ts";
import { type Tone, note, oneLine, say, sayJson, tint } from "../output.ts";

const marks: Readonly<Record<Check["is"], readonly [string, Tone]>> = {
  ok: ["✓", "good"],
  note: ["▲", "ask"],
  bad: ["✗", "bad"],
};

interface DoctorFlags {
  readonly repair?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function doctorCommand(root: Command): void {
  const command = root
    .command("doctor")
    .description("check what muster needs, or mend what is left over")
    .option("--repair", "mend what is left over")
    .option("--dry-run", "with --repair: show what would be done")
    .option("--json", "print an object")
    .action(async ({ repair = false, dryRun = false, json = false }: DoctorFlags) => {
      if (dryRun && !repair)
        throw new Fault("usage", "--dry-run is for --repair: doctor alone changes nothing", {
          remedy: "muster doctor --repair --dry-run",
        });
      process.exitCode = repair ? await mend(dryRun, json) : await check(json);
    });
  examples(command, [
    ["muster doctor", "1 where something is missing"],
    ["muster doctor --repair --dry-run", "what it would mend, and what stays"],
  ]);
}

async function check(json: boolean): Promise<number> {
  const checks = await askOffline<readonly Check[]>("doctor");
  const ok = checks.every(({ is }) => is !== "bad");
  if (json) sayJson({ schema: 1, doctor: { ok, checks } });
  else for (const each of checks) sayCheck(each);
  return ok ? 0 : 1;
}

const dayMs = 24 * 3_600_000;

/** The daemon does it: it alone knows what is in use. 1 where something could not be mended. */
async function mend(dryRun: boolean, json: boolean): Promise<number> {
  const daemon = await connect();
  const retentionMs = readUserConfig(process.env).retention * dayMs;
  const plan = await daemon.repair({ retentionMs });
  const findings = plan.findings.flatMap(({ id, repair }) => (repair === null ? [] : [id]));
  const repaired = dryRun ? null : await daemon.performRepair({ findings, retentionMs });
  if (json) sayJson({ schema: 1, repair: { ...plan, repaired } });
  else {
    const outcomes = new Map(repaired?.map((each) => [each.id, each]));
    for (const finding of plan.findings) say(findingText(finding, outcomes.get(finding.id)));
    if (plan.findings.length === 0) say(`${tint("good", "✓")} nothing to repair`);
    note(lookedText(plan.looked));
  }
  return repaired?.every(({ done }) => done) === false ? exitCodes.refused : 0;
}

function findingText(
  { kind, what, why, repair, stays }: Finding,
  outcome: Repaired | undefined,
): string {
  const [mark, then] =
    outcome === undefined
      ? repair === null
        ? [tint("ask", "▲"), `stays: ${stays ?? ""}`]
        : [tint("busy", "○"), repair]
      : outcome.done
        ? [tint("good", "✓"), outcome.ref === null ? "mended" : `mended, held by ${outcome.ref}`]
        : [tint("bad", "✗"), `not mended: ${outcome.why ?? ""}`];
  return `${mark} ${kind} ${oneLine(what, 300)}: ${oneLine(why, 300)}\n  ${oneLine(then, 400)}`;
}

function lookedText({ projects, absent, worktrees, folders, refs, processes }: Looked): string {
  const all = [
    count(projects, "project"),
    count(worktrees, "worktree"),
    count(folders, "folder"),
    count(refs, "ref"),
    processes === 1 ? "1 process" : `${processes} processes`,
  ];
  const gone = absent === 0 ? "" : `; ${count(absent, "project")} not where they were`;
  return `◎ looked at ${all.join(", ")}${gone}`;
}

function sayCheck({ name, is, text, remedy }: Check): void {
  const [mark, tone] = marks[is];
  say(`${tint(tone, mark)} ${name.padEnd(9)}  ${oneLine(text, 300)}`);
  if (remedy !== null) say(`  ${tint("dim", "↳")} ${oneLine(remedy, 300)}`);
}
