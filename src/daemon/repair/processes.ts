/** Processes and claims that outlived what they belong to. The tag alone proves nothing: another MUSTER_HOME may use the same id. */
import { readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { claimPath } from "../attach.ts";
import { readClaim } from "../../process/claim.ts";
import { endProcess } from "../../process/end.ts";
import { type Identity, readIdentity } from "../../process/identity.ts";
import {
  type TaggedProcess,
  isOfSession,
  readSessionProcesses,
  readTagged,
  sessionIn,
} from "../../process/tagged.ts";
import { type Flaw, type Mended, type Scene, attemptIn, done, isAttempt, names } from "./scene.ts";

/** Between TERM and KILL, as for every leftover. */
const graceMs = 1_000;
/** A terminal writes its claim at once; one that can't be read after this long was cut off. */
const claimMs = 60_000;

/** What one attempt left, one finding each. */
export function leakedProcesses(scene: Scene): Flaw[] {
  const found = leaked(scene);
  return [...new Set(found.map(({ att }) => att))].map((att) => flawOf(scene, found, att));
}

/** True for a process that is ended by a repair, or is gone by now: it keeps nothing. */
export function isLeaked(scene: Scene, pid: number): boolean {
  return readIdentity(pid) === undefined || leaked(scene, [pid]).length > 0;
}

interface Leaked {
  readonly identity: Identity;
  readonly att: string;
}

/** Processes of sessions and gates of this home whose attempt is over, or that no run knows. */
function leaked(scene: Scene, among?: readonly number[]): Leaked[] {
  const sessions = readSessionProcesses(among);
  const gates = readTagged("MUSTER_GATE", [], among);
  if (among === undefined) scene.count.processes = sessions.length + gates.length;
  const here = [
    ...sessions.flatMap((each) => (isSessionHere(scene, each) ? [{ each, att: each.value }] : [])),
    ...gates.flatMap((each) => {
      const att = gateAttempt(scene, each);
      return att === undefined ? [] : [{ each, att }];
    }),
  ];
  return here.flatMap(({ each: { identity }, att }) =>
    scene.standing(att) === "open" ? [] : [{ identity, att }],
  );
}

function isSessionHere({ home }: Scene, found: TaggedProcess): boolean {
  return isAttempt(found.value) && isOfSession(found, sessionIn(home, found.value));
}

function gateAttempt({ home }: Scene, { value }: TaggedProcess): string | undefined {
  const below = `${join(home, "gates")}/`;
  if (!value.startsWith(below)) return undefined;
  return attemptIn(value.slice(below.length).split("/")[0] ?? "");
}

function flawOf(scene: Scene, found: readonly Leaked[], att: string): Flaw {
  const of = found.filter((each) => each.att === att).map(({ identity }) => identity.pid);
  const isUnknown = scene.standing(att) === "unknown";
  return {
    finding: {
      id: `process:${att}`,
      kind: "process",
      what: of.map((pid) => `${pid} (${commandOf(pid)})`).join(", "),
      attempt: att,
      project: null,
      why: `${att} ${isUnknown ? "is no attempt of this ledger" : "is over"}, and ${of.length === 1 ? "a process of it runs" : `${of.length} processes of it run`}`,
      repair: of.length === 1 ? "it is ended" : "they are ended",
      stays: null,
    },
    mend: () => endAll(scene, att),
  };
}

/** One that forks meanwhile is found again; more rounds than this means that something fights back. */
const maxRounds = 5;

async function endAll(scene: Scene, att: string): Promise<Mended> {
  for (let round = 0; round < maxRounds; round++) {
    const left = leaked(scene).filter((each) => each.att === att);
    if (left.length === 0) return done;
    await Promise.all(left.map(({ identity }) => endProcess(identity, graceMs)));
  }
  return { why: "something of it comes back again and again" };
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "gone";
  }
}

/** Claims of terminals that are dead. */
export function deadClaims(scene: Scene): Flaw[] {
  return names(join(scene.home, "attempts"))
    .filter(isAttempt)
    .flatMap((att): Flaw[] => {
      const path = claimPath(scene.parts.host, att);
      if (!isDead(path, scene.now)) return [];
      return [
        {
          finding: {
            id: `claim:${path}`,
            kind: "claim",
            what: path,
            attempt: att,
            project: null,
            why: "the terminal that had the session is gone",
            repair: "it is removed",
            stays: null,
          },
          async mend() {
            if (!isDead(path, scene.now)) return { why: "a terminal has the session by now" };
            rmSync(path, { force: true });
            return done;
          },
        },
      ];
    });
}

function isDead(path: string, now: number): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isFile() !== true) return false;
  const claim = readClaim(path);
  return claim?.is === "torn" ? now - stat.mtimeMs > claimMs : claim?.is === "free";
}
