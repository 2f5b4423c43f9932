/** Which words of a person name a task that asks. */
import { expect, test } from "vitest";
import { isAt } from "./questions.ts";

const question = { run: "run_1e9443u1", task: "api" };

test.each(["api", "run_1e9443u1/api", "run_1e94/api", "1e9443u1/api", "1/api"])(
  "%s names the task api of run_1e9443u1",
  (word) => expect(isAt(question, word)).toBe(true),
);

test.each(["", "ap", "1e94", "1e94/ap", "2e94/api", "e944/api", "/api", "src/api/api", "the api"])(
  "%j is no name of it: it may be an answer",
  (word) => expect(isAt(question, word)).toBe(false),
);
