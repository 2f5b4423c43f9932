/** `muster doctor`: is everything here that muster needs. */
import type { Command } from "commander";
import type { Check } from "../../api/service.ts";
import { examples } from "../help.ts";
import { askOffline } from "../offline.ts";
import { type Tone, oneLine, say, sayJson, tint } from "../output.ts";

const marks: Readonly<Record<Check["is"], readonly [string, Tone]>> = {
  ok: ["✓", "good"],
  note: ["▲", "ask"],
  bad: ["✗", "bad"],
};

export function doctorCommand(root: Command): void {
  const command = root
    .command("doctor")
    .description("check what muster needs")
    .option("--json", "print an object")
    .action(async (flags: { json?: boolean }) => {
      const checks = await askOffline<readonly Check[]>("doctor");
      const ok = checks.every(({ is }) => is !== "bad");
      if (flags.json === true) sayJson({ schema: 1, doctor: { ok, checks } });
      else for (const check of checks) sayCheck(check);
      process.exitCode = ok ? 0 : 1;
    });
  examples(command, [["muster doctor", "1 where something is missing"]]);
}

function sayCheck({ name, is, text, remedy }: Check): void {
  const [mark, tone] = marks[is];
  say(`${tint(tone, mark)} ${name.padEnd(9)}  ${oneLine(text, 300)}`);
  if (remedy !== null) say(`  ${tint("dim", "↳")} ${oneLine(remedy, 300)}`);
}
