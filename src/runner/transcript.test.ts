import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Uuid } from "../core/ids.ts";
import { run } from "../process/run.ts";
import { hasTranscript, setDamagedAside } from "./transcript.ts";

const session: Uuid = "00000000-0000-4000-8000-000000000001";
const message = '{"type":"user","uuid":"u","message":{"role":"user","content":"Go."}}\n';
const attachment = '{"type":"attachment","uuid":"a"}\n';

/** A config dir with one project's folder, and the path of the session's transcript there. */
function configDir() {
  const dir = mkdtempSync(join(tmpdir(), "muster-transcript-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const project = join(dir, "projects", "att_1");
  mkdirSync(project, { recursive: true });
  return { dir, project, path: join(project, `${session}.jsonl`) };
}

test.each([
  ["one message", message],
  ["a message behind notes", attachment + message],
  ["a message behind a torn line", `{"type":"user","uu\n${message}`],
  ["a message behind a block of zeros", `${"\0".repeat(4_096)}\n${message}`],
  ["a message of a megabyte", message.replace("Go.", "x".repeat(1_000_000))],
  ["a message before a torn line", `${message}{"type":"assis`],
])("a transcript with %s is gone on with (F7, F39)", (_, text) => {
  const { dir, path } = configDir();
  writeFileSync(path, text);
  expect(hasTranscript(dir, session)).toBe(true);
  expect(setDamagedAside(dir, session)).toEqual([]);
  expect(existsSync(path)).toBe(true);
});

test.each([
  ["nothing", ""],
  ["the beginning of a line", message.slice(0, 20)],
  ["zeros", "\0".repeat(4_096)],
  ["lines of something else", 'junk\n"user"\nnull\n[]\n'],
  ["notes only", attachment],
])("a transcript with %s is set aside, where the binary does not see it (F7, F39)", (_, text) => {
  const { dir, project, path } = configDir();
  for (const n of [1, 2]) {
    writeFileSync(path, text);
    expect(hasTranscript(dir, session)).toBe(false);
    expect(setDamagedAside(dir, session)).toEqual([`${path}.damaged-${n}`]);
  }
  expect(readdirSync(project).toSorted()).toEqual(
    [1, 2].map((n) => `${session}.jsonl.damaged-${n}`),
  );
});

test("what is no file holds nobody up (F39)", async () => {
  const { dir, path } = configDir();
  await run({ argv: ["mkfifo", path], cwd: dir, env: { PATH: "/usr/bin:/bin" }, timeoutMs: 5_000 });
  expect(hasTranscript(dir, session)).toBe(false);
  expect(setDamagedAside(dir, session)).toHaveLength(1);
});

test("a session that never wrote has none (F7)", () => {
  const { dir } = configDir();
  expect(hasTranscript(dir, session)).toBe(false);
  expect(setDamagedAside(dir, session)).toEqual([]);
  expect(hasTranscript(join(dir, "gone"), session)).toBe(false);
});
