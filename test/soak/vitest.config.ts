import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/soak/*.soak.ts"],
    pool: "forks",
    fileParallelism: false,
    maxConcurrency: 3,
    testTimeout: 180_000,
    env: { NO_COLOR: "1", GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" },
  },
});
