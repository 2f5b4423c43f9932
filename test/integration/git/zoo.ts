/** A worktree with one of everything that a session can leave behind, and a listing that tells two folders apart byte for byte. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import {
  chmod,
  lstat,
  mkdir,
  readFile,
  readdir,
  readlink,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { put, type World } from "./world.ts";

/** All that is needed of a world here. */
type Gits = Pick<World, "git">;

export const tracked = {
  ".gitignore": ".env\nbuild/\n",
  ".gitattributes": "*.crlf text eol=crlf\n*.evil filter=evil\n",
  "edited.txt": "one\n",
  "staged.txt": "one\n",
  "both.txt": "one\n",
  "gone.txt": "one\n",
  "unstaged-gone.txt": "one\n",
  "tool.sh": "#!/bin/sh\n",
  "plain.crlf": "a\nb\n",
  "x.evil": "quiet\n",
  "dir/inner.txt": "one\n",
};

const odd = [
  "a space",
  "line\nbreak",
  "-rf",
  "naïve☃",
  ":(exclude)x",
  'qu"ote',
  "*",
  "back\\slash",
];

/** Fills a worktree; nested repositories have commits, staged and uncommitted work of their own. */
export async function fill(world: Gits, dir: string): Promise<void> {
  const at = (path: string): string => join(dir, path);
  const inside = { cwd: dir };
  await put(at("edited.txt"), "two\n");
  await put(at("staged.txt"), "two\n");
  await put(at("both.txt"), "two\n");
  await world.git(["add", "staged.txt", "both.txt"], inside);
  await put(at("both.txt"), "three\n");
  await world.git(["rm", "-q", "gone.txt"], inside);
  await rm(at("unstaged-gone.txt"));
  await put(at("untracked/deep/file.txt"), "new\n");
  await put(at("added.txt"), "added\n");
  await world.git(["add", "added.txt"], inside);
  await put(at("mixed.crlf"), "lf\nand crlf\r\n\0");
  await put(at(".env"), "SECRET=1\r\n");
  await put(at("build/out.bin"), Buffer.from([0, 255, 10, 13, 10]));
  await chmod(at("tool.sh"), 0o755);
  await put(at("new-tool"), "#!/bin/sh\n");
  await chmod(at("new-tool"), 0o755);
  await put(at("empty"), "");
  await symlink("edited.txt", at("link"));
  await symlink("/nowhere/at/all", at("dangling"));
  await symlink("..", at("up"));
  await symlink("build", at("link-to-folder"));
  for (const name of odd) await put(at(name), name);
  await writeFile(Buffer.concat([Buffer.from(`${dir}/caf`), Buffer.from([0xe9])]), "latin1");
  await rm(at("dir"), { recursive: true });
  await put(at("dir"), "a file now\n");
  for (const path of ["nest", "nest/deeper", "build/ignored nest", "no commit"])
    await nest(world, at(path));
  await mkdir(at("hollow"));
  await world.git(["init", "-q"], { cwd: at("hollow") });
}

async function nest(world: Gits, dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  await world.git(["init", "-q"], { cwd: dir });
  await put(join(dir, "committed"), "one\n");
  if (dir.endsWith("no commit")) return;
  await world.git(["add", "committed"], { cwd: dir });
  await world.git(["commit", "-qm", "nested"], { cwd: dir });
  await put(join(dir, "committed"), "edited\n");
  await put(join(dir, "half staged"), "x\n");
  await world.git(["add", "half staged"], { cwd: dir });
}

/**
 * One line per file below a folder: type, exec bit, name, hash of bytes or target. Without the worktree's own `.git`, and without
 * folders, which git has no way to hold where they are empty.
 */
export async function listing(dir: string): Promise<string[]> {
  const lines: string[] = [];
  await walk(Buffer.from(dir), Buffer.alloc(0), lines);
  return lines.toSorted();
}

async function walk(dir: Buffer, below: Buffer, lines: string[]): Promise<void> {
  for (const name of await readdir(dir, { encoding: "buffer" })) {
    if (below.length === 0 && name.toString() === ".git") continue;
    const at = Buffer.concat([dir, Buffer.from("/"), name]);
    const path = below.length === 0 ? name : Buffer.concat([below, Buffer.from("/"), name]);
    const stats = await lstat(at);
    const say = (kind: string, bytes: Buffer): void => {
      const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
      lines.push(`${kind} ${JSON.stringify(path.toString("latin1"))} ${hash}`);
    };
    if (stats.isDirectory()) await walk(at, path, lines);
    else if (stats.isSymbolicLink()) say("link", await readlink(at, { encoding: "buffer" }));
    else say((stats.mode & 0o100) === 0 ? "file" : "exec", await readFile(at));
  }
}
