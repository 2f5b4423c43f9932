/** A test with a place of its own. */
import type { TestAPI } from "vitest";
import type { Place, RunnerSetup } from "./place.ts";

export type Case = TestAPI<{ setup: RunnerSetup; place: Place }>;
