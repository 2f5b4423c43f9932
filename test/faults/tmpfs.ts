/** Small file systems of their own, that can be filled: a machine without the right to mount skips what needs one. */
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  realpathSync,
  rmSync,
  statSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "vitest";
import { run } from "../../src/process/run.ts";

const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };
const timeoutMs = 10_000;

export interface SmallDisk {
  readonly path: string;
  /** Takes all space that is left, to the last byte. */
  fill(): void;
  /** Gives this many bytes of it back. */
  leave(bytes: number): void;
  /** Gives all of it back. */
  free(): void;
  /** Takes it away before the test ends. */
  unmount(): Promise<void>;
}

/** Mounts `bytes` of memory at a new folder until the test ends; skips the test where that is not allowed. */
export async function smallDisk(
  { skip, onTestFinished }: Pick<TestContext, "skip" | "onTestFinished">,
  bytes: number,
  at?: string,
): Promise<SmallDisk> {
  const path = at ?? realpathSync(mkdtempSync(join(tmpdir(), "muster-disk-")));
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const argv = [
    "mount",
    "-t",
    "tmpfs",
    "-o",
    `size=${bytes},mode=0700`,
    "muster-test",
    path,
  ] as const;
  const done = await run({ argv, cwd: "/", env, timeoutMs }).catch(() => undefined);
  if (done?.code !== 0) {
    if (at === undefined) rmSync(path, { recursive: true });
    skip("a small file system can't be mounted here");
  }
  // Lazily: whoever is still in it does not keep it.
  const unmount = async (): Promise<void> => {
    await run({ argv: ["umount", "-l", path], cwd: "/", env, timeoutMs });
  };
  onTestFinished(async () => {
    await unmount();
    if (at === undefined) rmSync(path, { recursive: true, force: true });
  });
  const filler = join(path, ".filler");
  return {
    path,
    unmount,
    fill: () => fillUp(path, filler),
    leave: (bytes) => truncateSync(filler, Math.max(0, statSync(filler).size - bytes)),
    free: () => rmSync(filler, { force: true }),
  };
}

function fillUp(path: string, filler: string): void {
  writeFileSync(filler, "");
  const fd = openSync(filler, "a");
  const page = Buffer.alloc(4_096);
  try {
    for (let left = statfsSync(path).bavail; left >= 0; left--) writeSync(fd, page);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  } finally {
    closeSync(fd);
  }
}
