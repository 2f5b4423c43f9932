import { defineConfig } from "vitest/config";

/** The runner suite alone, for `main.ts`, which runs it in a place where another version is installed. */
export default defineConfig({
  test: {
    include: ["test/integration/runner/{claude-cli,claude-sdk,login}.test.ts"],
    pool: "forks",
    // Each case has a limit of its own; one file's sessions at a time leave it the cores.
    fileParallelism: false,
    env: { NO_COLOR: "1", GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" },
  },
});
