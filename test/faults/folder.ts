/** A folder that is gone when the test is over. */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "vitest";

/** Tests that run beside each other have their own end, which only their context knows. */
export type Context = Pick<TestContext, "onTestFinished">;

export function tempFolder({ onTestFinished }: Context): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "muster-fault-")));
  const removal = { recursive: true, force: true, maxRetries: 10, retryDelay: 50 };
  onTestFinished(() => rmSync(folder, removal));
  return folder;
}
