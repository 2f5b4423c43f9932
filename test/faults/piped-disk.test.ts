/** A child on our own pipes whose stream finds no space: it ends, and whoever started it goes on. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { startPiped } from "../../src/process/piped.ts";
import { smallDisk } from "./tmpfs.ts";

const wholeBytes = 1024 * 1024;
const env = { PATH: "/usr/bin:/bin" };

function manyLines(dir: string) {
  const script = `head -c ${wholeBytes} /dev/zero | tr '\\0' x; exec sleep 60`;
  return startPiped({ dir, argv: ["/bin/sh", "-c", script], cwd: "/", env });
}

test("a stream that finds no space ends its child, and nothing is seen that is not kept (F11)", async (context) => {
  const disk = await smallDisk(context, 8 * 1024 * 1024);
  const dir = join(disk.path, "1");
  const child = manyLines(dir);
  const ended = new Promise((resolve) => child.once("exit", (_code, signal) => resolve(signal)));
  disk.fill();
  disk.leave(20 * 1024);
  const seen = await text(child.stdout);
  expect(await ended).toBe("SIGTERM");
  const kept = readFileSync(join(dir, "out.jsonl"), "utf8");
  expect(kept.length).toBeLessThan(wholeBytes);
  expect(kept.startsWith(seen)).toBe(true);
});

test("an end that can't be recorded throws nothing, and is seen by the identity (F11)", async (context) => {
  const disk = await smallDisk(context, 8 * 1024 * 1024);
  const dir = join(disk.path, "1");
  const child = startPiped({ dir, argv: ["/bin/sh", "-c", "read -r line"], cwd: "/", env });
  const closed = new Promise((resolve) => child.stdout.once("end", resolve));
  child.stdout.resume();
  disk.fill();
  child.stdin.end();
  await closed;
  expect(existsSync(join(dir, "exit"))).toBe(false);
});
