/** Who works in a folder: live processes whose working directory it is. Linux only: nobody is found elsewhere. */
import { readlinkSync } from "node:fs";
import { pids } from "./identity.ts";

/** Pids of live processes that work in `folder` (a real path) or below it. */
export function processesIn(folder: string): number[] {
  return pids().filter((pid) => {
    const cwd = readCwd(pid);
    return cwd !== undefined && (cwd === folder || cwd.startsWith(`${folder}/`));
  });
}

function readCwd(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined; // Gone, or another user's.
  }
}
