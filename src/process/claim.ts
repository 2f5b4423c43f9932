/**
 * The claim of a terminal on a session: a file that names who holds it, `muster attach` and the program that it runs. It holds for as
 * long as one of them lives, so a killed `muster attach` does not let go of a session that its program still has.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { type Identity, isAlive } from "./identity.ts";
import { replaceNow } from "./replace.ts";

/** Of the file, in an attempt's folder. */
export const claimName = "attached";

interface Claim extends Identity {
  /** What has the session; absent until it is started. */
  readonly program?: Identity;
}

/** Who holds a claim now. */
export type Held =
  /** Nobody, or one that is dead. */
  | { readonly is: "free" }
  | { readonly is: "held"; readonly by: Identity }
  /** There, and cut off while it was written. */
  | { readonly is: "torn" };

/** Reads the claim at `path`; undefined where there is none. */
export function readClaim(path: string): Held | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
  const by = holdersIn(text);
  if (by === undefined) return { is: "torn" };
  const alive = by.find(isAlive);
  return alive === undefined ? { is: "free" } : { is: "held", by: alive };
}

function holdersIn(text: string): readonly Identity[] | undefined {
  try {
    const { program, ...own } = JSON.parse(text) as Claim;
    return program === undefined ? [own] : [program, own];
  } catch {
    return undefined;
  }
}

/** The process that holds the claim at `path`; undefined where nobody that lives does. */
export function holderOf(path: string): Identity | undefined {
  const claim = readClaim(path);
  return claim?.is === "held" ? claim.by : undefined;
}

/**
 * Makes the claim at `path` for `own`, in place of a dead one; returns who has it where that is somebody else who lives. Only the
 * daemon makes claims, and nothing comes between its look and its write.
 */
export function makeClaim(path: string, own: Identity): Identity | undefined {
  const holder = holderOf(path);
  if (holder !== undefined) return holder;
  rmSync(path, { force: true });
  writeFileSync(path, JSON.stringify(own), { mode: 0o600, flag: "wx" });
  return undefined;
}

/** Adds the program to the claim of `own`, which holds it; where nothing can be written the claim is of `own` alone, as before. */
export function nameProgram(path: string, own: Identity, program: Identity): void {
  const claim: Claim = { ...own, program };
  try {
    replaceNow(path, JSON.stringify(claim));
  } catch {
    // The program runs already: its terminal must not be left for that.
  }
}
