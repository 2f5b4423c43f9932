/** A test with a place of its own. */
import type { TestAPI } from "vitest";
import type { Place } from "./place.ts";

export type Case = TestAPI<{ place: Place }>;
