/** What a run came to, told without ids, commits and times, so that two runs of one scenario can be compared. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Event } from "../../src/core/events.ts";
import type { World } from "../e2e/harness.ts";
import { patiently } from "../e2e/patiently.ts";
import type { Course } from "./person.ts";

export interface Outcome {
  readonly tasks: Readonly<Record<string, TaskOutcome>>;
  /** Task of each first-parent landing and what it changed, in the order of the tasks' names. */
  readonly landings: readonly string[];
  /** Every path and blob at the target. */
  readonly tree: string;
  readonly branches: string;
  /** `git status` of the person's checkout. */
  readonly checkout: string;
  readonly worktrees: number;
  /** What is left in the folders of the home that a settled run has no use for. */
  readonly leftovers: readonly string[];
  /** Kinds of events and their tasks, in order. */
  readonly story: readonly string[];
  /** What some of the story's entries say of their cause; told and not compared. */
  readonly whys: Readonly<Record<string, string>>;
  /** What can't be right in any run. */
  readonly faults: readonly string[];
}

interface TaskOutcome {
  readonly runner: string;
  readonly state: string;
  readonly reason: string | null;
  readonly attempts: number;
  /** Command and exit of the last gate of each commit of the session's. */
  readonly gates: readonly string[];
  /** Files of the last snapshot; empty where they landed, together with what else had landed before. */
  readonly kept: string;
}

/** Reads everything once the run is settled and its processes are gone. */
export async function readOutcome(world: World, course: Course): Promise<Outcome> {
  const { run, events, forgotten } = course;
  const name = (text: string): string => text.replaceAll(run, "RUN");
  const processes = await leftProcesses(world);
  const { run: view } = await world.api.run(run);
  const tasks: Record<string, TaskOutcome> = {};
  for (const { id, runner, state, reason, attempts } of view.tasks) {
    const kept = state === "landed" ? "" : await keptFiles(world, events, id);
    tasks[id] = { runner, state, reason, attempts, gates: headGates(events, id), kept };
  }
  return {
    tasks,
    landings: await readLandings(world),
    tree: await world.git("ls-tree", "-r", "main"),
    branches: name(await world.git("for-each-ref", "--format=%(refname)", "refs/heads")),
    checkout: await world.git("status", "--porcelain", "--branch"),
    worktrees: (await world.git("worktree", "list")).split("\n").length,
    leftovers: leftovers(world.state),
    story: events.map(entryOf),
    whys: Object.fromEntries(events.flatMap((event) => whyOf(event))),
    faults: [
      ...processes.map((line) => `a process is left: ${line}`),
      ...forgotten.map((name) => `${name} was acknowledged and is not in the ledger`),
      ...numbering(events),
      ...unproved(events, await readTrees(world)),
      ...badLogs(events),
      ...repeated(world.state, events),
      ...(await fsck(world)),
    ],
  };
}

const goneMs = 10_000;

/** Processes of the world besides the daemon and its shell, after a while in which they may end. */
async function leftProcesses(world: World): Promise<readonly string[]> {
  const left = (): readonly string[] =>
    world
      .processes()
      .filter((line) => !line.includes("muster-respawn") && !line.includes("/chaos/daemon.ts"));
  await patiently(() => left().length === 0, goneMs, "no process left").catch(() => {});
  return left();
}

function headGates(events: readonly Event[], task: string): string[] {
  const last = new Map<string, string>();
  for (const event of events) {
    if ((event.type !== "gate.passed" && event.type !== "gate.failed") || event.task !== task)
      continue;
    const { commit, command, exit, on } = event.evidence;
    if (on === "head") last.set(`${commit} ${command}`, `${command}: ${exit}`);
  }
  return [...last.values()];
}

async function keptFiles(world: World, events: readonly Event[], task: string): Promise<string> {
  const taken = events.findLast((event) => event.type === "snapshot.taken" && event.task === task);
  if (taken?.type !== "snapshot.taken") return "";
  return world.git("ls-tree", "-r", taken.commit);
}

async function readLandings(world: World): Promise<readonly string[]> {
  const log = await world.git(
    "log",
    "--first-parent",
    "--diff-merges=first-parent",
    "--raw",
    "--no-abbrev",
    "--format=%x00%(trailers:key=Muster-Task,valueonly,separator=%x2C)",
    "main",
  );
  const entries = log.split("\0").map((entry) => entry.trim());
  return entries.filter((entry) => entry !== "" && !entry.startsWith(":")).toSorted();
}

/** Commit → tree, of everything that is on the target. */
async function readTrees(world: World): Promise<ReadonlyMap<string, string>> {
  const lines = (await world.git("log", "--format=%H %T", "main")).split("\n");
  return new Map(lines.map((line) => [line.slice(0, 40), line.slice(41)]));
}

function leftovers(home: string): readonly string[] {
  return ["worktrees", "trash", "follow", "tmp"].flatMap((folder) => {
    const path = join(home, folder);
    if (!existsSync(path)) return [];
    const found = readdirSync(path, { withFileTypes: true });
    return found.flatMap((entry) =>
      folder === "worktrees" && entry.isDirectory()
        ? readdirSync(join(path, entry.name)).map((name) => `${folder}: ${name}`)
        : [`${folder}: ${entry.name}`],
    );
  });
}

function entryOf(event: Event): string {
  return `${kindOf(event)} ${"task" in event ? event.task : ""}`.trimEnd();
}

function whyOf(event: Event): [string, string][] {
  if (event.type === "attempt.parked") return [[entryOf(event), event.park.detail]];
  return "why" in event && typeof event.why === "string" ? [[entryOf(event), event.why]] : [];
}

/** The type of an event, told more exactly where that matters. */
function kindOf(event: Event): string {
  switch (event.type) {
    case "message.queued":
      return `${event.type}:${event.kind}`;
    case "gate.admitted":
      return `${event.type}:${event.on}`;
    case "gate.passed":
    case "gate.failed":
      return `${event.type}:${event.evidence.on}`;
    case "attempt.parked":
      return `${event.type}:${event.park.reason}`;
    case "round.ended":
      return `${event.type}:${event.outcome}`;
    case "snapshot.taken":
      return event.late === true ? `${event.type}:late` : event.type;
    default:
      return event.type;
  }
}

/** The person saw every event once, in order, over all daemons. */
function numbering(events: readonly Event[]): string[] {
  return events.flatMap(({ seq }, i) =>
    seq === i + 1 ? [] : [`event ${seq} was seen as the ${i + 1}th`],
  );
}

/** What landed has a green gate on its very tree. */
function unproved(events: readonly Event[], trees: ReadonlyMap<string, string>): string[] {
  const green = new Set(
    events.flatMap((event) => (event.type === "gate.passed" ? [event.evidence.tree] : [])),
  );
  return events.flatMap((event) =>
    event.type === "task.landed" && !green.has(trees.get(event.commit) ?? "")
      ? [`${event.task} landed ${event.commit} without a green gate on its tree`]
      : [],
  );
}

/** The log of every gate is there and is the one that the evidence names. */
function badLogs(events: readonly Event[]): string[] {
  return events.flatMap((event) => {
    if (event.type !== "gate.passed" && event.type !== "gate.failed") return [];
    const { log, logSha } = event.evidence;
    if (log === null) return [];
    const sha = existsSync(log)
      ? createHash("sha256").update(readFileSync(log)).digest("hex")
      : "missing";
    return sha === logSha ? [] : [`the log of a gate of ${event.task} is ${sha}, not ${logSha}`];
  });
}

/** Each message is in its session's transcript at most once; each one that was taken, exactly once. */
function repeated(home: string, events: readonly Event[]): string[] {
  const texts = new Map<string, string>();
  const faults: string[] = [];
  for (const event of events) {
    if (event.type !== "message.queued" && event.type !== "message.taken") continue;
    const text = texts.get(event.att) ?? readTranscripts(home, event.att);
    texts.set(event.att, text);
    const times = text.split("\n").filter((line) => brings(line, event.uuid)).length;
    const isWrong = event.type === "message.taken" ? times !== 1 : times > 1;
    if (isWrong) faults.push(`${event.type} of ${event.task}: ${times} times in the transcript`);
  }
  return faults;
}

/** True for a line that brings this message, as a prompt of its own or in the middle of a round. */
function brings(line: string, uuid: string): boolean {
  if (!line.includes(uuid)) return false;
  const said = JSON.parse(line) as {
    readonly type?: string;
    readonly uuid?: string;
    readonly attachment?: { readonly source_uuid?: string };
  };
  return (said.type === "user" && said.uuid === uuid) || said.attachment?.source_uuid === uuid;
}

function readTranscripts(home: string, att: string): string {
  const folder = join(home, "attempts", att, "cfg", "projects", att);
  if (!existsSync(folder)) return "";
  const names = readdirSync(folder).filter((name) => name.endsWith(".jsonl"));
  return names.map((name) => readFileSync(join(folder, name), "utf8")).join("\n");
}

async function fsck(world: World): Promise<readonly string[]> {
  return world.git("fsck", "--no-dangling", "--no-progress").then(
    (said) => (said === "" ? [] : [`git fsck: ${said}`]),
    (error: unknown) => [String(error)],
  );
}
