/** The program as a whole: what every verb's help owes. */
import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import { completionScript, shells, verbsOf } from "./completion.ts";
import { everyCommand, program } from "./program.ts";

const all = everyCommand(await program());
const verbs = verbsOf(await program());

/** A window of usual height, with room for the prompt. */
const screenLines = 30;

/** The whole help, examples included, as it is printed. */
function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({ writeOut: (more) => (text += more), getOutHelpWidth: () => 80 });
  command.outputHelp();
  return text;
}

describe("help", () => {
  test.each(all.slice(1).map((command) => [command.name(), command] as const))(
    "of %s fits a screen and lines of 80",
    (_name, command) => {
      const lines = helpOf(command).trimEnd().split("\n");
      expect(lines.length).toBeLessThanOrEqual(screenLines);
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
    },
  );

  test("says what every option is for in at most seven words", () => {
    const options = all.flatMap((command) => command.options);
    expect(options.length).toBeGreaterThan(30);
    for (const { description, long } of options)
      expect([long, description.split(" ").length <= 7 && description !== ""]).toEqual([
        long,
        true,
      ]);
  });
});

describe("completion", () => {
  test("knows every verb that is in the help, and none that is hidden", () => {
    expect(verbs.map(({ name }) => name)).not.toContain("complete");
    for (const shell of shells) {
      const script = completionScript(shell, verbs);
      for (const { name } of verbs) expect(script).toContain(name);
      expect(script).toContain("muster complete tasks");
    }
  });

  test("says what follows a verb", () => {
    const by = new Map(verbs.map((verb) => [verb.name, verb]));
    expect(by.get("run")).toMatchObject({ files: true, ids: null });
    expect(by.get("logs")).toMatchObject({ ids: "tasks" });
    expect(by.get("watch")).toMatchObject({ ids: "runs" });
    expect(by.get("stop")).toMatchObject({ ids: "targets" });
    expect(by.get("host")).toMatchObject({
      words: ["status", "stop", "run", "install", "uninstall"],
    });
    expect(by.get("schema")).toMatchObject({ words: ["plan", "run"] });
    expect(by.get("run")?.flags).toContain("--parallel");
  });
});
