/** A project's own Claude configuration: what is exported is what was hashed, and nothing leaves the folder. */
import { readFileSync, readdirSync, statSync } from "node:fs";
import { chmod, symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { exportOwnConfig, readOwnConfig } from "../../../src/git/own-config.ts";
import { makeWorld, put } from "./world.ts";

const settings = {
  permissions: { allow: ["Bash"], deny: ["WebFetch"], defaultMode: "bypassPermissions" },
  hooks: { Stop: [] },
};
const files = {
  ".claude/settings.json": JSON.stringify(settings),
  ".claude/agents/a b.md": "An agent.\n",
  ".claude/hook.sh": "echo hi\n",
  ".mcp.json": "{}",
  "CLAUDE.md": "Be brief.\n",
  "src/CLAUDE.md": "Not at the root.\n",
  "src/a.ts": "1\n",
};

test("what there is at the root is listed, and exported with what it allows taken out", async () => {
  const world = await makeWorld(files);
  await chmod(join(world.root, ".claude/hook.sh"), 0o755);
  await symlink("/etc/passwd", join(world.root, ".claude/link"));
  const head = await world.commit("More");
  const own = await readOwnConfig(world.repo, head);
  expect(own.files.map(({ path }) => path).toSorted()).toEqual([
    ".claude/agents/a b.md",
    ".claude/hook.sh",
    ".claude/settings.json",
    ".mcp.json",
    "CLAUDE.md",
  ]);
  expect(own.leftOut).toEqual([".claude/link"]);

  const dir = join(world.dir, "export");
  await put(join(dir, ".claude/stale.md"), "from an earlier start\n");
  await exportOwnConfig(world.repo, own, dir);
  expect(readdirSync(dir, { recursive: true }).map(String).toSorted()).toEqual([
    ".claude",
    ".claude/agents",
    ".claude/agents/a b.md",
    ".claude/hook.sh",
    ".claude/settings.json",
    ".mcp.json",
    "CLAUDE.md",
  ]);
  expect(JSON.parse(readFileSync(join(dir, ".claude/settings.json"), "utf8"))).toEqual({
    hooks: { Stop: [] },
    permissions: { deny: ["WebFetch"] },
  });
  expect(statSync(join(dir, ".claude/hook.sh")).mode & 0o777).toBe(0o700);
});

test("every change of a name, a mode, a link or a content has another hash, and the same again the same", async () => {
  const world = await makeWorld(files);
  const seen = new Set<string>();
  const look = async (message: string): Promise<string> => {
    const { tree } = await readOwnConfig(world.repo, await world.commit(message));
    seen.add(tree);
    return tree;
  };
  const first = await look("As it was");
  await world.write("src/a.ts", "2\n");
  expect(await look("Elsewhere")).toBe(first);
  await world.write("CLAUDE.md", "Be long.\n");
  await look("Content");
  await chmod(join(world.root, ".claude/hook.sh"), 0o755);
  await look("Mode");
  await symlink("hook.sh", join(world.root, ".claude/other.sh"));
  await look("Link");
  await world.git(["mv", ".claude/hook.sh", ".claude/hook2.sh"]);
  await look("Name");
  expect(seen.size).toBe(5);
});

test("a project without any has nothing, and settings that are no JSON are not exported", async () => {
  const bare = await makeWorld();
  expect(await readOwnConfig(bare.repo, await bare.commit("x"))).toMatchObject({ files: [] });
  const world = await makeWorld({ ".claude/settings.json": '{ // "permissions"\n}' });
  const dir = join(world.dir, "export");
  const own = await readOwnConfig(world.repo, await world.commit("x"));
  await exportOwnConfig(world.repo, own, dir);
  expect(readdirSync(dir, { recursive: true })).toEqual([".claude"]);
});

test("a tree that names a way out is refused", async () => {
  const world = await makeWorld();
  const blob = await world.git(["hash-object", "-w", "--stdin"], { input: "out\n" });
  const raw = (name: string, mode: string, sha: string): Buffer =>
    Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(sha, "hex")]);
  const tree = async (entry: Buffer): Promise<string> => {
    await put(join(world.dir, "tree"), entry);
    const made = join(world.dir, "tree");
    return world.git(["hash-object", "-t", "tree", "-w", "--literally", "--", made]);
  };
  const up = await tree(raw("evil", "100644", blob));
  const inside = await tree(raw("..", "40000", up));
  const top = await tree(raw(".claude", "40000", inside));
  const commit = await world.git(["commit-tree", "-m", "x", top]);
  await expect(readOwnConfig(world.repo, commit)).rejects.toMatchObject({ code: "refused" });
});
