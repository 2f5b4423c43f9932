/**
 * The scenarios of the crash points: small runs that need every kind of effect and every usual command between them, and whose
 * ends do not depend on how fast anything is. Where an order matters, the sessions themselves wait for it.
 */
import {
  failsGateThenRepairs,
  prompt,
  writeAndCommit,
  writeWithoutCommit,
} from "../../src/testing/model/behaviors.ts";
import { bash, commit, say, write } from "../../src/testing/model/steps.ts";
import { type PlanTask, hold } from "../e2e/harness.ts";
import { type DeedOf, allow, approve, pause, reject, resume, stop } from "./deeds.ts";

export interface Scenario {
  readonly name: string;
  readonly tasks: readonly PlanTask[];
  readonly deeds: readonly DeedOf[];
  /** Files of the first commit besides the gate. */
  readonly files: Readonly<Record<string, string>>;
}

const may = { permissions: { allow: ["Bash"] } };
const flags = '"$HOME/../flags"';

/** Changes the line first, and waits with it until the session of `late` works: then that stands on what was there before. */
const early: PlanTask = {
  id: "early",
  prompt: prompt("Change the line first.", [
    bash(waitFor(`[ -e ${flags}/late.begun ]`)),
    write("line.md", "early\n"),
    commit("Early"),
    say("Done."),
  ]),
  ...may,
};

/** Changes the same line and is late: its result conflicts, and its session resolves that. */
const late: PlanTask = {
  id: "late",
  runner: "claude-sdk",
  prompt: prompt(
    "Change the line last.",
    [
      bash(`echo begun >> ${flags}/late.begun`),
      bash(waitFor('[ "$(git show main:line.md)" = early ]')),
      write("line.md", "late\n"),
      commit("Late"),
      say("Done."),
    ],
    [{ match: /conflicts with/, steps: resolve() }],
  ),
  ...may,
};

function resolve() {
  return [
    bash("git merge -q main || true"),
    write("line.md", "early and late\n"),
    commit("Keep both"),
    say("Resolved."),
  ];
}

/** Is rejected once and approved then. */
const shown: PlanTask = {
  id: "shown",
  approval: "required",
  prompt: prompt(
    "Show it.",
    [write("shown.txt", "good\n"), commit("Show"), say("Done.")],
    [
      {
        match: /say it louder/,
        steps: [write("shown.txt", "good, louder\n"), commit("Louder"), say("Done.")],
      },
    ],
  ),
};

/** Runs what nobody allowed, and commits it; where it is interrupted or told to run it again, it begins anew. */
function asks(id: string, runner: string): PlanTask {
  const steps = [
    bash(`sh made.sh ${id}.md`),
    write(`${id}.txt`, "good\n"),
    commit(id),
    say("Done."),
  ];
  return {
    id,
    runner,
    prompt: prompt(`Add ${id}.`, steps, [{ match: /run it again|was interrupted/, steps }]),
  };
}

/** Is paused in the middle of its round. */
const paused: PlanTask = {
  id: "paused",
  prompt: prompt("Add paused.", [
    write("paused.txt", "good, half done\n"),
    bash(hold("paused")),
    write("paused.txt", "good\n"),
    commit("Add paused"),
    say("Done."),
  ]),
  ...may,
};

/** Never ends by itself. */
const stopped: PlanTask = {
  id: "stopped",
  runner: "claude-sdk",
  prompt: prompt("Begin.", [
    write("stopped.txt", "good\n"),
    bash(`echo begun >> ${flags}/stopped.begun`),
    { hang: "stream" },
    say("Done."),
  ]),
  ...may,
};

const red: PlanTask = {
  id: "red",
  prompt: failsGateThenRepairs({ "red.txt": "bad\n" }, { "red.txt": "good\n" }),
};

const onRed: PlanTask = {
  id: "on-red",
  runner: "claude-sdk",
  needs: ["red"],
  prompt: writeAndCommit({ "on-red.txt": "good\n" }, "Stand on red"),
};

const untidy: PlanTask = { id: "untidy", prompt: writeWithoutCommit({ "untidy.txt": "good\n" }) };

export const scenarios: readonly Scenario[] = [
  { name: "conflict", files: { "line.md": "start\n" }, tasks: [early, late], deeds: [] },
  {
    name: "person",
    files: { "made.sh": 'echo made > "$1"\n' },
    tasks: [asks("asks", "claude-cli"), asks("asks-sdk", "claude-sdk"), shown, paused],
    deeds: [
      allow("asks"),
      allow("asks-sdk"),
      reject("shown", "say it louder"),
      approve("shown"),
      pause("paused"),
      resume("paused"),
    ],
  },
  { name: "repair", files: {}, tasks: [red, onRed, untidy, stopped], deeds: [stop("stopped")] },
];

function waitFor(condition: string): string {
  return `until ${condition}; do sleep 0.1; done`;
}
