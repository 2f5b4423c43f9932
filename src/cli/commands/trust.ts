/** `muster trust`: shows a project's own Claude configuration and records a person's yes to it, as it is. */
import { resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import type { OwnConfigView } from "../../api/service.ts";
import { Fault, exitCodes } from "../../core/fault.ts";
import { shellWord } from "../../core/words.ts";
import { caller } from "../caller.ts";
import { connect } from "../connect.ts";
import { examples } from "../help.ts";
import { canAsk, clean, done, note, say, sayJson, table, tint } from "../output.ts";

interface TrustFlags {
  readonly target?: string;
  readonly yes?: boolean;
  readonly json?: boolean;
}

export function trustCommand(root: Command): void {
  const command = root
    .command("trust")
    .description("let sessions load a project's own Claude configuration")
    .argument("[folder]", "the project, default: this one")
    .option("--target <branch>", "the branch whose configuration it is")
    .option("--yes", "trust it without a question")
    .option("--json", "print an object")
    .action(async (folder: string | undefined, flags: TrustFlags) => {
      process.exitCode = await trust(resolve(folder ?? "."), flags);
    });
  examples(command, [
    ["muster trust", "show what would be loaded, then ask"],
    ["muster trust ../service --yes", "another project, no question"],
  ]);
}

async function trust(cwd: string, { target, yes, json }: TrustFlags): Promise<number> {
  const daemon = await connect();
  const request = { cwd, target: target ?? null, ...caller() };
  const view = await daemon.ownConfig(request);
  if (json !== true) show(view);
  const { tree } = view;
  const wanted =
    tree !== null && !view.trusted && (yes === true || (json !== true && (await ask())));
  const now = wanted ? await daemon.trust({ ...request, tree }) : view;
  const isOpen = now.tree !== null && !now.trusted;
  if (json === true) sayJson({ schema: 1, trust: now });
  else if (wanted) done(`trusted ${now.project} as it is on ${now.target}`);
  else if (isOpen) throw notTrusted(now);
  return isOpen ? exitCodes.needs_person : 0;
}

function notTrusted({ project }: OwnConfigView): Fault {
  return new Fault("needs_person", "not trusted: tasks with profile: project do not start here", {
    remedy: `To trust it, run muster trust ${shellWord(project)} --yes`,
  });
}

function show({ project, target, commit, tree, trusted, files, leftOut }: OwnConfigView): void {
  const where = `${project} on ${target} (${commit.slice(0, 12)})`;
  if (tree === null) {
    say(`nothing to trust in ${where}: no .claude, no .mcp.json, no CLAUDE.md`);
    return;
  }
  say(`${where}, ${trusted ? "trusted" : "not trusted"}:`);
  say(
    table(
      files.map(({ path, bytes, executable }) => [
        `  ${clean(path)}`,
        `${bytes} bytes`,
        executable ? "executable" : "",
      ]),
    ),
  );
  for (const path of leftOut) say(`  ${clean(path)}  a link or a submodule: left out`);
  for (const { path, text } of files) {
    if (text === null) continue;
    say(`${tint("dim", "—")} ${clean(path)}`);
    for (const line of clean(text).trimEnd().split("\n")) say(`  ${line}`);
  }
  if (!trusted) note("▲ its hooks and servers run as you, in every session with profile: project");
}

async function ask(): Promise<boolean> {
  if (!canAsk()) return false;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  lines.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  try {
    return /^y(?:es)?$/i.test((await lines.question("trust it? [y/N] ")).trim());
  } finally {
    lines.close();
  }
}
