/** The scenario of the random kills: eight sessions that live at the same time, on both runners. */
import { prompt } from "../../src/testing/model/behaviors.ts";
import type { RuleInput } from "../../src/testing/model/script.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import type { PlanTask } from "../e2e/harness.ts";
import type { Scenario } from "./scenarios.ts";

const names = ["a", "b", "c", "d", "e", "f", "g", "h"];

/**
 * Waits for all the others in the middle of its round, for 20 s: one that was killed before the first line of its command goes on
 * behind it, as the scripted model does, and never says that it has begun. Some of them fail their gate first.
 */
function taskNamed(id: string, i: number): PlanTask {
  const flags = `"$HOME/../flags"`;
  const areAll = `[ "$(ls ${flags} | wc -l)" -ge ${names.length} ]`;
  const together = `echo begun >> ${flags}/${id}.begun; for n in $(seq 100); do ${areAll} && break; sleep 0.2; done`;
  const file = `${id}.txt`;
  const first = i % 3 === 0 ? "bad\n" : "good\n";
  const repair: RuleInput = {
    match: /gate/i,
    steps: [write(file, "good\n"), commit("Repair"), say("Repaired.")],
  };
  return {
    id,
    runner: i % 2 === 0 ? "claude-cli" : "claude-sdk",
    permissions: { allow: ["Bash"] },
    prompt: prompt(
      `Add ${file}.`,
      [write(file, first), bash(together), commit(`Add ${id}`), say("Done.")],
      [repair],
    ),
  };
}

export const eight: Scenario = {
  name: "eight",
  files: {},
  tasks: names.map(taskNamed),
  deeds: [],
};
