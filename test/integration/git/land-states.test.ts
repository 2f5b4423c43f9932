/** Checkouts of a kind of their own that follow all the same (git.md §E), and what a look at one leaves alone. */
import { readFileSync, readdirSync, statSync } from "node:fs";
import { utimes } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { land } from "../../../src/git/land.ts";
import { expectRefused, expectTidy, makeScene } from "./landing.ts";
import { makeWorld, put } from "./world.ts";

test("a sparse checkout follows, and what is outside of it is not written", async () => {
  const scene = await makeScene();
  const { world, next } = scene;
  const patterns = ["/*", "!/touched.txt", "!/deep/"];
  await world.git(["sparse-checkout", "set", "--no-cone", ...patterns]);
  expect(existsSync(join(world.root, "touched.txt"))).toBe(false);
  await world.write("other.txt", "mine\n");
  expect(await scene.land()).toEqual({ landed: true, followed: world.root });
  expect(await world.git(["rev-parse", "main"])).toBe(next);
  expect(await world.git(["status", "--porcelain"])).toBe(" M other.txt");
  expect(await world.read("added.txt")).toBe("added\n");
  for (const path of ["touched.txt", "deep"])
    expect(existsSync(join(world.root, path)), path).toBe(false);
  await world.git(["sparse-checkout", "disable"]);
  expect(await world.read("touched.txt")).toBe("one\ntwo\nTHREE\n");
  await expectTidy(scene);
});

test("a submodule's pointer moves, and what is in the submodule stays as it is", async () => {
  const inner = await makeWorld({ "in.txt": "one\n" });
  const first = await inner.git(["rev-parse", "HEAD"]);
  await inner.write("in.txt", "two\n");
  const second = await inner.commit("second");
  const world = await makeWorld();
  const allowed = ["-c", "protocol.file.allow=always"];
  await world.git([...allowed, "submodule", "--quiet", "add", inner.root, "sub"]);
  const sub = join(world.root, "sub");
  await world.git(["checkout", "-q", first], { cwd: sub });
  const old = await world.commit("with a submodule");
  await world.git(["checkout", "-q", second], { cwd: sub });
  const next = await world.commit("the submodule moves");
  await world.git(["reset", "-q", "--soft", old]);
  await world.git(["reset", "-q"]);
  await world.git(["checkout", "-q", first], { cwd: sub });
  await put(join(sub, "in.txt"), "edited by hand\n");
  const journal = { write() {}, clear() {} };
  const landing = await land(world.repo, { target: "main", old, new: next, journal });
  expect(landing).toEqual({ landed: true, followed: world.root });
  expect(await world.git(["ls-files", "-s", "sub"])).toContain(second);
  expect(await world.git(["rev-parse", "HEAD"], { cwd: sub })).toBe(first);
  expect(readFileSync(join(sub, "in.txt"), "utf8")).toBe("edited by hand\n");
});

test("a look at a checkout writes nothing in its git directory: a git killed there leaves no lock", async () => {
  const scene = await makeScene();
  const { root } = scene.world;
  const index = join(root, ".git/index");
  await utimes(join(root, "other.txt"), 1_000_000_000, 1_000_000_000);
  await scene.world.write("touched.txt", "mine\n");
  await scene.world.git(["status"]);
  await utimes(join(root, "other.txt"), 1_100_000_000, 1_100_000_000);
  const [before, names] = [statSync(index).ino, readdirSync(join(root, ".git"))];
  const bytes = readFileSync(index);
  const landing = await scene.land();
  expect(landing).toMatchObject({ landed: false, paths: ["touched.txt"] });
  expect(statSync(index).ino).toBe(before);
  expect(readFileSync(index).equals(bytes)).toBe(true);
  expect(readdirSync(join(root, ".git"))).toEqual(names);
  expect(readdirSync(join(scene.world.dir, "scratch"))).toEqual([]);
  await expectRefused(scene, ["touched.txt"]);
});
