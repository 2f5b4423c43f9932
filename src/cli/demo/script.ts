/** What the demo's model answers: plain steps, chosen by the task's own prompt. It writes code, runs nothing, and knows no trick. */
import type { RuleInput } from "../../testing/model/script.ts";
import { bash, commit, say, writeAll } from "../../testing/model/steps.ts";
import { prompts, testOf } from "./sample.ts";

function converter(module: string, name: string, body: string, input: string, output: string) {
  return {
    [`src/${module}.js`]: `export const ${name} = ${body};\n`,
    [`test/${module}.test.js`]: testOf(module, name, input, output),
  };
}

function adds(prompt: string, files: Readonly<Record<string, string>>, message: string): RuleInput {
  const writes = {
    ...writeAll(files),
    say: "Adding the module and its test.",
    deltas: 4,
    deltaDelayMs: 60,
  };
  return { match: prompt, steps: [writes, commit(message), say("Done.")] };
}

const wrongTemperature = converter(
  "temperature",
  "fahrenheitToCelsius",
  "(f) => f - 32 * (5 / 9)",
  "212",
  "100",
);
const rightTemperature = converter(
  "temperature",
  "fahrenheitToCelsius",
  "(f) => ((f - 32) * 5) / 9",
  "212",
  "100",
);

const indexFiles = {
  "src/index.js": 'export * from "./length.js";\nexport * from "./weight.js";\n',
  "test/index.test.js":
    'import assert from "node:assert/strict";\nimport { test } from "node:test";\nimport * as units from "../src/index.js";\n\ntest("index exports the converters", () => assert.deepEqual(Object.keys(units).sort(), ["feetToMeters", "poundsToKilograms"]));\n',
};

/** `for` over what is really in the worktree: the guide proves that it stands on the work of the others. */
const guideCommand =
  'mkdir -p docs && { echo "# Guide"; for f in src/*.js; do echo "- $(basename "$f" .js)"; done; } > docs/guide.md';

export const rules: readonly RuleInput[] = [
  adds(
    prompts.length,
    converter("length", "feetToMeters", "(feet) => feet * 0.3048", "10", "3.048"),
    "Add length",
  ),
  adds(
    prompts.weight,
    converter("weight", "poundsToKilograms", "(pounds) => pounds * 0.45359237", "1", "0.45359237"),
    "Add weight",
  ),
  adds(
    prompts.volume,
    converter(
      "volume",
      "gallonsToLiters",
      "(gallons) => gallons * 3.785411784",
      "1",
      "3.785411784",
    ),
    "Add volume",
  ),
  adds(prompts.temperature, wrongTemperature, "Add temperature"),
  {
    match: "The gate is red",
    steps: [
      writeAll(rightTemperature),
      commit("Multiply after subtracting"),
      say("The formula is right now."),
    ],
  },
  adds(prompts.index, indexFiles, "Add an index"),
  {
    match: prompts.guide,
    steps: [bash(guideCommand), commit("Describe the converters"), say("Done.")],
  },
];
