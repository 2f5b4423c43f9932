/**
 * Ending processes: by identity, checked right before every signal; TERM, then KILL; then a sweep of what they left behind, found
 * by an environment tag, because children in sessions of their own survive their parent (reliability.md §1).
 */
import { readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { type Identity, isAlive, pids, readIdentity, readStat, signal } from "./identity.ts";
import { type OwnSession, isOfSession, readSessionProcesses } from "./tagged.ts";

/** How often a dying process is looked at: there is no event for the end of a process that is not our child. */
const lookMs = 20;
/** A killed process is gone within this, unless it hangs in the kernel. */
const killMs = 5_000;

/** Waits until the process is gone; false where it still lives after `timeoutMs`. */
export async function awaitGone(identity: Identity, timeoutMs: number): Promise<boolean> {
  const until = performance.now() + timeoutMs;
  while (isAlive(identity)) {
    if (performance.now() >= until) return false;
    await wait(lookMs);
  }
  return true;
}

/** TERM, after `graceMs` KILL. Resolves once it is gone; false where even KILL did not end it within 5 s. */
export async function endProcess(identity: Identity, graceMs: number): Promise<boolean> {
  if (!signal(identity, "SIGTERM")) return true;
  if (await awaitGone(identity, graceMs)) return true;
  signal(identity, "SIGKILL");
  return awaitGone(identity, killMs);
}

/** Live processes of this user whose environment holds exactly `tag` (`NAME=value`). Linux only: none elsewhere. */
export function tagged(tag: string): Identity[] {
  const found: Identity[] = [];
  const needle = Buffer.from(`${tag}\0`);
  for (const pid of pids()) {
    if (pid === process.pid || !hasTag(pid, needle)) continue;
    const identity = readIdentity(pid);
    if (identity !== undefined) found.push(identity);
  }
  return found;
}

function hasTag(pid: number, needle: Buffer): boolean {
  try {
    const environ = readFileSync(`/proc/${pid}/environ`);
    for (let at = environ.indexOf(needle); at !== -1; at = environ.indexOf(needle, at + 1))
      if (at === 0 || environ[at - 1] === 0) return true;
    return false;
  } catch {
    return false; // Gone, or another user's.
  }
}

/**
 * Like `sweep`, for every tag that starts with `prefix` (`NAME=value…`). The outermost are killed first: a shim that saw its command
 * end would record that as the command's own exit.
 */
export async function sweepPrefix(prefix: string): Promise<number> {
  const found = pids().flatMap((pid) =>
    pid !== process.pid && hasTag(pid, Buffer.from(prefix)) ? [readIdentity(pid)] : [],
  );
  const left = found.filter((identity) => identity !== undefined);
  const known = new Set(left.map(({ pid }) => pid));
  const outermost = left.filter(({ pid }) => !known.has(readStat(pid)?.parent ?? 0));
  for (const identity of outermost) signal(identity, "SIGKILL");
  await Promise.all(outermost.map((identity) => awaitGone(identity, killMs)));
  await Promise.all(left.map((identity) => endProcess(identity, sweepGraceMs)));
  return left.length;
}

/** How long leftovers get between TERM and KILL. */
const sweepGraceMs = 1_000;
/** A process that forks while it is swept is found again; more rounds than this means that something fights back. */
const maxSweeps = 5;

/** Ends everything that carries `tag`. Where that has a shim, it goes last: it has the others' end to record. */
export async function sweep(tag: string, shim?: Identity): Promise<number> {
  return endWhatever(() => tagged(tag), shim);
}

/** As `sweep`, for everything of an attempt's session in its own home. */
export async function sweepSession(own: OwnSession, shim?: Identity): Promise<number> {
  const find = (): readonly Identity[] =>
    readSessionProcesses()
      .filter((each) => isOfSession(each, own))
      .map(({ identity }) => identity);
  return endWhatever(find, shim);
}

/** Ends what is found, `last` only once nothing else is; returns how many processes were ended. */
async function endWhatever(find: Find, last: Identity | undefined): Promise<number> {
  if (last === undefined) return endFound(find);
  const isLast = ({ pid, startedAt }: Identity): boolean =>
    pid === last.pid && startedAt === last.startedAt;
  const others = await endFound(() => find().filter((each) => !isLast(each)));
  return others + (await endFound(find));
}

type Find = () => readonly Identity[];

async function endFound(find: Find): Promise<number> {
  const ended = new Set<number>();
  for (let round = 0; round < maxSweeps; round++) {
    const left = find();
    if (left.length === 0) break;
    for (const { pid } of left) ended.add(pid);
    await Promise.all(left.map((identity) => endProcess(identity, sweepGraceMs)));
  }
  return ended.size;
}
