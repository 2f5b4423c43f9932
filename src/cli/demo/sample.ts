/** The demo's sample project: a small unit converter with tests of its own, and the plan that extends it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { run } from "../../process/run.ts";

const files: Readonly<Record<string, string>> = {
  "package.json": `${JSON.stringify({ name: "units", version: "1.0.0", type: "module", scripts: { test: "node --test" } }, null, 2)}\n`,
  "muster.yaml": "gate: node --test\ntarget: main\n",
  "README.md":
    "# units\n\nConverts between units. One module per kind in `src`, one test beside each in `test`.\n",
  "src/angle.js": "export const toRadians = (degrees) => (degrees * Math.PI) / 180;\n",
  "test/angle.test.js": testOf("angle", "toRadians", "180", "Math.PI"),
};

/** A module's test: one function, one value. */
export function testOf(module: string, name: string, input: string, output: string): string {
  return [
    'import assert from "node:assert/strict";',
    'import { test } from "node:test";',
    `import { ${name} } from "../src/${module}.js";`,
    "",
    `test("${name}", () => assert.equal(${name}(${input}), ${output}));`,
    "",
  ].join("\n");
}

export const prompts = {
  length: "Add src/length.js with feetToMeters (0.3048 meters a foot) and a test.",
  weight: "Add src/weight.js with poundsToKilograms (0.45359237 kilograms a pound) and a test.",
  volume: "Add src/volume.js with gallonsToLiters (3.785411784 liters a gallon) and a test.",
  temperature: "Add src/temperature.js with fahrenheitToCelsius and a test for 212 °F.",
  index: "Add src/index.js that exports everything from length and weight, and a test for it.",
  guide: "Describe every converter that is there in docs/guide.md, one line each.",
} as const;

/** Six tasks: four may run at once, one needs two others, one is repaired after its first gate; half by each runner. */
export function planText(runners: readonly string[]): string {
  const [cli = "claude-cli", sdk = cli] = runners;
  const task = (id: keyof typeof prompts, runner: string, more = ""): string =>
    `  - id: ${id}\n    runner: ${runner}\n    prompt: ${JSON.stringify(prompts[id])}\n${more}`;
  return [
    "version: 1",
    "name: more units",
    "limits: { parallel: 4, usd: 5 }",
    "tasks:",
    task("length", cli),
    task("weight", sdk),
    task("volume", cli),
    task("temperature", sdk),
    task("index", cli, "    needs: [length, weight]\n"),
    task(
      "guide",
      sdk,
      "    needs: [index, volume, temperature]\n    paths: [docs/**]\n    permissions: { allow: [Bash] }\n    artifacts: [docs/guide.md]\n",
    ),
  ].join("\n");
}

/** Makes the sample as a repository with one commit on `main`. */
export async function makeSample(
  folder: string,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  for (const args of [
    ["init", "-q", "-b", "main"],
    ["add", "-A"],
    ["commit", "-q", "-m", "Start with angles"],
  ]) {
    const done = await run({ argv: ["git", ...args], cwd: folder, env, timeoutMs: 30_000 });
    if (done.code !== 0)
      throw new Error(`git ${args[0]} failed: ${done.stderr.toString().split("\n")[0]}`);
  }
}
