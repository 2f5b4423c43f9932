import { runnerSuite } from "../../../src/testing/runner.suite.ts";
import { binary } from "../model/harness.ts";

runnerSuite("claude-cli on the real binary", { runner: "claude-cli", binary, real: true });
