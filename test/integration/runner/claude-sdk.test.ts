import { runnerSuite } from "../../../src/testing/runner.suite.ts";
import { binary } from "../model/harness.ts";

runnerSuite("claude-sdk on the real binary", { runner: "claude-sdk", binary, real: true });
