/** Documents that are made from the code, and what the hand-written ones promise. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseUserConfig } from "../src/config/user.ts";
import { parseProjectConfig } from "../src/config/project.ts";
import { parsePlanYaml } from "../src/plan/plan-yaml.ts";
import { reference } from "./reference.ts";

const root = join(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const documents = [
  "README.md",
  "CONTRIBUTING.md",
  "AGENTS.md",
  "CHANGELOG.md",
  ...globSync("docs/**/*.md", { cwd: root }),
];

const generated = [...(await reference())];

describe("the reference", () => {
  it.each(generated)("%s is what the code says (npm run docs writes it)", (name, text) => {
    expect(read(join("docs/reference", name))).toBe(text);
  });
});

describe("the documents", () => {
  it("have no link to a file that is not there", () => {
    const links = documents.flatMap((path) =>
      [...read(path).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(
        (match) => [path, match[1] ?? ""] as const,
      ),
    );
    console.log(`${links.length} links in ${documents.length} documents looked at`);
    expect(links.length).toBeGreaterThan(10);
    expect(links.filter(([path, to]) => !existsSync(join(root, dirname(path), to)))).toEqual([]);
  });

  it("keep the guide for agents within 120 lines", () => {
    expect(read("AGENTS.md").split("\n").length).toBeLessThanOrEqual(121);
  });

  it("show a plan, a muster.yaml and a configuration that are read without a complaint", () => {
    const blocks = [...read("README.md").matchAll(/```yaml\n([\s\S]*?)```/g)].map(
      (match) => match[1] ?? "",
    );
    const [plan = "", config = "", user = ""] = blocks;
    expect(blocks).toHaveLength(3);
    expect(
      parsePlanYaml(plan, "README.md", new Set(), () => undefined).tasks.map(({ id }) => id),
    ).toEqual(["api", "docs", "release"]);
    expect(parseProjectConfig(config, "README.md").gate).toEqual(["npm test"]);
    expect(parseUserConfig(user, "README.md").resume).toBe("ask");
  });
});
