import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ensureHome, ensureSocketFolder, musterHome, socketPath, userConfigPath } from "./paths.ts";

const mode = (path: string): number => statSync(path).mode & 0o777;

test("the home is MUSTER_HOME, else the state folder, else the one under HOME", () => {
  expect(musterHome({ MUSTER_HOME: "/m/", XDG_STATE_HOME: "/s", HOME: "/h" })).toBe("/m");
  expect(musterHome({ MUSTER_HOME: "", XDG_STATE_HOME: "/s", HOME: "/h" })).toBe("/s/muster");
  expect(musterHome({ XDG_STATE_HOME: "relative", HOME: "/h" })).toBe("/h/.local/state/muster");
  expect(userConfigPath({ XDG_CONFIG_HOME: "/c" })).toBe("/c/muster/config.yaml");
  expect(userConfigPath({ HOME: "/h" })).toBe("/h/.config/muster/config.yaml");
});

test("a relative home and no home at all are refused with a command", () => {
  expect(() => musterHome({ MUSTER_HOME: "m" })).toThrow(
    expect.objectContaining({
      code: "usage",
      message: "MUSTER_HOME is m, expected an absolute path",
      remedy: expect.stringMatching(/unset MUSTER_HOME$/),
    }),
  );
  expect(() => musterHome({})).toThrow(/HOME is not set/);
});

describe("the socket", () => {
  const long = `/home/${"é".repeat(60)}`;

  test("is in the home while its path has at most 100 bytes", () => {
    const fits = `/${"x".repeat(87)}`;
    expect(socketPath(fits)).toBe(`${fits}/muster.sock`);
    expect(Buffer.byteLength(socketPath(fits))).toBe(100);
    expect(socketPath(`${fits}x`, {}, 7)).toMatch(/^\/tmp\/muster-7\/[0-9a-f]{8}\.sock$/);
  });

  test("goes to the runtime folder where that is short enough, the same for the same home", () => {
    const path = socketPath(long, { XDG_RUNTIME_DIR: "/run/user/7" }, 7);
    expect(path).toMatch(/^\/run\/user\/7\/muster-[0-9a-f]{8}\.sock$/);
    expect(socketPath(`${long}/`, { XDG_RUNTIME_DIR: "/run/user/7" }, 7)).toBe(path);
    expect(socketPath(`${long}2`, { XDG_RUNTIME_DIR: "/run/user/7" }, 7)).not.toBe(path);
    expect(socketPath(long, { XDG_RUNTIME_DIR: long }, 7)).toMatch(/^\/tmp\/muster-7\//);
    expect(socketPath(long, { XDG_RUNTIME_DIR: "run" }, 7)).toMatch(/^\/tmp\/muster-7\//);
  });
});

describe("folders", () => {
  let root: string;
  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), "muster-paths-")));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  test("a home is made for its owner only, with its parents", () => {
    expect(ensureHome(join(root, "a/b"))).toBe(join(root, "a/b"));
    expect([mode(join(root, "a")), mode(join(root, "a/b"))]).toEqual([0o700, 0o700]);
    expect(ensureHome(join(root, "a/b"))).toBe(join(root, "a/b"));
  });

  test("a home that others may enter is closed", () => {
    mkdirSync(join(root, "open"));
    chmodSync(join(root, "open"), 0o777);
    ensureHome(join(root, "open"));
    expect(mode(join(root, "open"))).toBe(0o700);
  });

  test("a linked home is its real folder", () => {
    mkdirSync(join(root, "real"));
    symlinkSync(join(root, "real"), join(root, "link"));
    expect(ensureHome(join(root, "link"))).toBe(join(root, "real"));
  });

  test("a file in its place, or in the place of a parent, is refused with a command", () => {
    writeFileSync(join(root, "file"), "");
    for (const path of [join(root, "file"), join(root, "file/home")]) {
      expect(() => ensureHome(path)).toThrow(
        expect.objectContaining({
          code: "unwritable",
          message: expect.stringContaining(path),
          remedy: expect.stringMatching(/export MUSTER_HOME=/),
        }),
      );
    }
    expect(() => ensureHome("/proc/muster")).toThrow(
      expect.objectContaining({ code: "unwritable" }),
    );
  });

  test("a place where nothing can be made is refused, not tried forever", ({ skip }) => {
    skip(!existsSync("/proc/self"), "needs /proc");
    expect(() => ensureHome("/proc/muster/home")).toThrow(
      expect.objectContaining({ code: "unwritable" }),
    );
  });

  test("a link to nowhere is refused", () => {
    symlinkSync(join(root, "gone"), join(root, "link"));
    expect(() => ensureHome(join(root, "link"))).toThrow(/ENOENT/);
  });

  test("another user's folder is refused", ({ skip }) => {
    skip(process.getuid?.() !== 0, "only root can give a folder away");
    mkdirSync(join(root, "theirs"));
    chownSync(join(root, "theirs"), 12_345, 12_345);
    expect(() => ensureHome(join(root, "theirs"))).toThrow(/belongs to another user/);
  });

  test("a link that somebody planted in place of the socket's folder is refused", () => {
    mkdirSync(join(root, "real"));
    symlinkSync(join(root, "real"), join(root, "link"));
    expect(() => ensureSocketFolder(join(root, "link/x.sock"))).toThrow(/it is no folder/);
    ensureSocketFolder(join(root, "new/x.sock"));
    expect(mode(join(root, "new"))).toBe(0o700);
  });
});
