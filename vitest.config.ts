import { defineConfig } from "vitest/config";
import { evidence } from "./test/evidence/reporter.ts";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: "forks",
    // Most of what they do is wait for processes: more of them than cores keep the cores busy.
    maxWorkers: 3,
    reporters: ["default", evidence()],
    env: { NO_COLOR: "1", GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" },
  },
});
