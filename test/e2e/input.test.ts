/** Bad plans are refused whole, with the line to look at, and nothing of them is half started. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeAndCommit } from "../../src/testing/model/behaviors.ts";
import { type World, openWorld, statesOf } from "./harness.ts";

let world: World;
let before: string;
beforeAll(async () => {
  world = await openWorld();
  before = await world.git("for-each-ref");
});
afterAll(() => world.close());

/** Writes a plan as it is. */
function raw(name: string, content: string | Buffer): string {
  mkdirSync(join(world.root, "plans"), { recursive: true });
  const path = join(world.root, "plans", name);
  writeFileSync(path, content);
  return path;
}

async function expectNothingStarted(): Promise<void> {
  const { stdout } = await world.muster(["ls", "--json"]);
  expect(JSON.parse(stdout)).toMatchObject({ schema: 1, runs: [] });
  expect(await world.git("worktree", "list")).not.toContain("\n");
  expect(await world.git("for-each-ref")).toBe(before);
}

const two = (needsA: string, needsB: string): string =>
  `version: 1\ntasks:\n  - { id: a, prompt: x, needs: [${needsA}] }\n  - { id: b, prompt: x, needs: [${needsB}] }\n`;

const bad: readonly (readonly [string, string, string | Buffer, RegExp])[] = [
  ["a cycle", "cycle.yaml", two("b", "a"), /a → b → a|b → a → b/],
  ["a need of itself", "itself.yaml", two("a", ""), /itself\.yaml:3: .*needs itself/],
  ["a need that is not there", "unknown.yaml", two("c", ""), /unknown\.yaml:3: .*c/],
  [
    "an unknown key",
    "key.yaml",
    "version: 1\ntasks:\n  - { id: a, promt: x }\n",
    /key\.yaml:3: .*(promt|prompt)/,
  ],
  ["no task", "none.yaml", "version: 1\ntasks: []\n", /none\.yaml:2: .*at least one task/],
  ["an empty file", "empty.yaml", "", /empty\.yaml/],
  [
    "a prompt file that is not there",
    "prompt.yaml",
    "version: 1\ntasks:\n  - id: a\n    prompt: { file: gone.md }\n",
    /prompt\.yaml:4: .*gone\.md/,
  ],
  [
    "text that is not UTF-8",
    "latin.yaml",
    Buffer.from("version: 1\nname: caf\xe9\n", "latin1"),
    /latin\.yaml is not UTF-8/,
  ],
  ["broken YAML", "broken.yaml", "version: 1\ntasks: [\n", /broken\.yaml:\d+: /],
  [
    "two tasks of one name",
    "twice.yaml",
    "version: 1\ntasks:\n  - { id: a, prompt: x }\n  - { id: a, prompt: x }\n",
    /twice\.yaml:4: /,
  ],
];

test("bad plans are refused with exit 2, a fault that names file and line, and nothing half started (F37)", async () => {
  for (const [what, name, content, message] of bad) {
    const { code, stdout } = await world.muster(["run", "--json", raw(name, content)]);
    const { schema, error } = JSON.parse(stdout);
    expect([what, code, schema, error.code]).toEqual([what, 2, 1, "bad_plan"]);
    expect(error.message).toMatch(message);
    expect(error.remedy).toEqual(expect.stringMatching(/\S/));
  }
  await expectNothingStarted();
});

test("one bad plan among good ones starts none of them", async () => {
  const good = world.plan([{ id: "g", prompt: writeAndCommit({ "g.txt": "good\n" }, "Add g") }]);
  const wrong = raw("wrong.yaml", two("b", "a"));
  const { code } = await world.muster(["run", "--json", good, wrong]);
  expect(code).toBe(2);
  await expectNothingStarted();
});

test("a plan of 10,000 tasks is shown, its longest chain included", async () => {
  const tasks = Array.from({ length: 10_000 }, (_, i) => ({
    id: `t${i}`,
    prompt: `Do part ${i}.`,
    needs: i % 100 === 0 ? [] : [`t${i - 1}`],
  }));
  const { code, stdout } = await world.muster(["plan", "--json", world.plan(tasks)]);
  expect(code).toBe(0);
  const { plan } = JSON.parse(stdout);
  expect(plan.tasks).toHaveLength(10_000);
  expect(plan.tasks[9_999]).toMatchObject({ key: "t9999", needs: ["t9998"] });
  await expectNothingStarted();
});

test("a plan with Windows line ends and a byte order mark runs like any other", async () => {
  const prompt = JSON.stringify(writeAndCommit({ "crlf.txt": "good\n" }, "Add it"));
  const text = `\ufeffversion: 1\r\ntasks:\r\n  - id: a\r\n    prompt: ${prompt}\r\n`;
  const { code, stdout } = await world.muster(["run", "--json", raw("crlf.yaml", text)]);
  expect([code, statesOf(JSON.parse(stdout))]).toEqual([0, { a: "landed" }]);
});
