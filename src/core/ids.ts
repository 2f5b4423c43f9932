/**
 * Identities. Core invents none: run ids and uuids come in with inputs; task and attempt ids derive from the run's id and
 * counters (design §2).
 */
export type RunId = `run_${string}`;
export type AttemptId = `att_${string}_${number}`;
export type Uuid = string;
/** A full commit or tree id in lower-case hex (40 characters, or 64 with SHA-256). */
export type Sha = string;
/** A project is the real path of its common git directory. */
export type ProjectId = string;
/** A task's key inside its run: `task`, with more than one plan `plan.task`. Both parts match `taskIdPattern`. */
export type TaskKey = string;

/** Task and plan ids (design §3). */
export const taskIdPattern = /^[a-z0-9][a-z0-9_-]{0,60}$/;
export const shaPattern = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;

/** The n-th attempt of a run, counted from 1 over all of its tasks. */
export function attemptId(run: RunId, n: number): AttemptId {
  return `att_${run.slice("run_".length)}_${n}`;
}

/** The k-th seed of an input's seed: its second group replaced by k, so one random uuid feeds a whole input. */
export function seedFrom(seed: Uuid, k: number): Uuid {
  return `${seed.slice(0, 9)}${k.toString(16).padStart(4, "0")}${seed.slice(13)}`;
}

/** The k-th uuid of a seed: the seed with its last four hex digits replaced by k. */
export function uuidFrom(seed: Uuid, k: number): Uuid {
  return seed.slice(0, -4) + k.toString(16).padStart(4, "0");
}

/** Words as an id: lower case, dashes for everything else, at most `max` characters, never empty. */
export function slug(text: string, max = 60): string {
  const words = text
    .normalize("NFKD")
    .replace(/\p{Mark}+/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");
  const cut =
    words.length <= max
      ? words
      : words
          .slice(0, max + 1)
          .replace(/-[^-]*$/, "")
          .slice(0, max);
  return cut.replace(/-+$/, "") || "task";
}

/** `wanted`, or the first of `wanted-2`, `wanted-3` … that is not taken. */
export function unique(wanted: string, taken: ReadonlySet<string>): string {
  if (!taken.has(wanted)) return wanted;
  for (let n = 2; ; n++) {
    const suffix = `-${n}`;
    const candidate = wanted.slice(0, 61 - suffix.length) + suffix;
    if (!taken.has(candidate)) return candidate;
  }
}
