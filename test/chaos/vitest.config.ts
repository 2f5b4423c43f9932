import { defineConfig } from "vitest/config";
import { evidence } from "../evidence/reporter.ts";

export default defineConfig({
  test: {
    include: ["test/chaos/*.chaos.ts"],
    pool: "forks",
    fileParallelism: false,
    maxConcurrency: 3,
    testTimeout: 180_000,
    reporters: ["default", evidence()],
    env: { NO_COLOR: "1", GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" },
  },
});
