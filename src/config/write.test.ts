import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { dropSiblings, replaceFile } from "./write.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "muster-write-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test("a file is made and replaced whole, for its owner only", async () => {
  const path = join(root, "a");
  await replaceFile(path, "one");
  await replaceFile(path, "two");
  expect(readFileSync(path, "utf8")).toBe("two");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(root)).toEqual(["a"]);
});

test("a mode may be said", async () => {
  await replaceFile(join(root, "a"), "x", { mode: 0o700 });
  expect(statSync(join(root, "a")).mode & 0o777).toBe(0o700);
});

test("a link is replaced, not followed", async () => {
  writeFileSync(join(root, "victim"), "kept");
  symlinkSync(join(root, "victim"), join(root, "a"));
  await replaceFile(join(root, "a"), "new");
  expect([
    readFileSync(join(root, "victim"), "utf8"),
    readFileSync(join(root, "a"), "utf8"),
  ]).toEqual(["kept", "new"]);
});

test("where it fails nothing is left behind", async () => {
  mkdirSync(join(root, "folder/inner"), { recursive: true });
  await expect(replaceFile(join(root, "folder"), "x")).rejects.toThrow();
  expect(readdirSync(root)).toEqual(["folder"]);
  await expect(replaceFile(join(root, "gone/a"), "x")).rejects.toThrow(/ENOENT/);
});

test("what a killed writer left is dropped, and nothing else", () => {
  for (const name of [".muster-0123456789abcdef.tmp", ".muster-x", "a.tmp"])
    writeFileSync(join(root, name), "x");
  dropSiblings(root);
  dropSiblings(join(root, "gone"));
  expect(readdirSync(root)).toEqual([".muster-x", "a.tmp"]);
});

test("a reader sees one text or the other, never a part, while writers race (F37)", async () => {
  const path = join(root, "a");
  const texts = ["x".repeat(100_000), "y".repeat(200_000)];
  await replaceFile(path, texts[0] ?? "");
  const writes = Array.from({ length: 10 }, (_, i) => replaceFile(path, texts[i % 2] ?? ""));
  const state = { writing: true };
  const done = Promise.all(writes).finally(() => (state.writing = false));
  let reads = 0;
  while (state.writing) {
    expect(texts).toContain(readFileSync(path, "utf8"));
    reads++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  await done;
  expect(reads).toBeGreaterThan(0);
  expect(readdirSync(root)).toEqual(["a"]);
});
