import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { writeAgentProgram } from "../../../src/testing/agent/program.ts";
import { runnerSuite } from "../../../src/testing/runner.suite.ts";

const folder = mkdtempSync(join(tmpdir(), "muster-stand-in-"));
afterAll(() => rmSync(folder, { recursive: true }));

runnerSuite("claude-cli on the stand-in", {
  runner: "claude-cli",
  binary: await writeAgentProgram(folder),
  real: false,
});
