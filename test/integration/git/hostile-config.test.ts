import { chmod, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { log, readHead } from "../../../src/git/inspect.ts";
import { mergeTree } from "../../../src/git/merge.ts";
import { resolve } from "../../../src/git/refs.ts";
import { snapshot } from "../../../src/git/snapshot.ts";
import { put } from "./world.ts";
import { edit, everything, makeScene } from "./attack.ts";

describe("configuration", () => {
  test("config.worktree with a monitor, once the agent turns the extension on", async () => {
    const scene = await makeScene();
    await scene.world.git(["config", "extensions.worktreeConfig", "true"]);
    await scene.world.git(["config", "--worktree", "core.fsmonitor", scene.command], {
      cwd: scene.record.path,
    });
    await edit(scene);
    await scene.control(["status"]);
    await everything(scene);
    expect(scene.hasFired()).toBe(false);
  });

  test("core.fsmonitor and core.hooksPath in the shared configuration", async () => {
    const scene = await makeScene();
    const hooks = join(scene.world.dir, "hooks");
    for (const name of [
      "post-index-change",
      "reference-transaction",
      "post-checkout",
      "post-commit",
    ]) {
      await put(join(hooks, name), `#!/bin/sh\ntouch ${scene.canary}\n`);
      await chmod(join(hooks, name), 0o755);
    }
    await scene.world.git(["config", "core.fsmonitor", scene.command]);
    await edit(scene);
    await scene.control(["status"]);
    await scene.world.git(["config", "--unset", "core.fsmonitor"]);
    await scene.world.git(["config", "core.hooksPath", hooks]);
    await scene.control(["update-ref", "refs/heads/x", "HEAD"]);
    await scene.world.git(["config", "core.fsmonitor", scene.command]);
    await everything(scene);
    expect(scene.hasFired()).toBe(false);
  });

  test("a textconv driver and an external diff", async () => {
    const scene = await makeScene({ ".gitattributes": "*.txt diff=evil\n", "a.txt": "aaaa\n" });
    await scene.world.git(["config", "diff.evil.textconv", scene.command]);
    await scene.world.git(["config", "diff.external", scene.command]);
    await edit(scene);
    await scene.control(["diff"]);
    await scene.world.git(["config", "--unset", "diff.external"]);
    await scene.control(["diff"]);
    await scene.world.git(["config", "diff.external", scene.command]);
    await everything(scene);
    expect(scene.hasFired()).toBe(false);
  });

  test("clean, smudge and process filters", async () => {
    const scene = await makeScene({ ".gitattributes": "*.txt filter=evil\n", "a.txt": "aaaa\n" });
    await scene.world.git(["config", "filter.evil.clean", scene.command]);
    await scene.world.git(["config", "filter.evil.smudge", scene.command]);
    await edit(scene);
    await scene.control(["status"]);
    await scene.control(
      ["worktree", "add", "-q", join(scene.world.dir, "control")],
      scene.world.root,
    );
    await everything(scene);
    expect(scene.hasFired()).toBe(false);
    await rm(join(scene.world.dir, "worktrees"), { recursive: true });
  });

  test("a merge driver", async () => {
    const scene = await makeScene({ ".gitattributes": "*.txt merge=evil\n", "a.txt": "aaaa\n" });
    await scene.world.git(["config", "merge.evil.driver", `${scene.command} %A`]);
    await scene.world.git(["config", "merge.renormalize", "true"]);
    await scene.world.write("a.txt", "ours\n");
    const ours = await scene.world.commit("ours");
    await put(join(scene.record.path, "a.txt"), "theirs\n");
    await scene.world.git(["commit", "-qam", "theirs"], { cwd: scene.record.path });
    const theirs = await scene.world.git(["rev-parse", "HEAD"], { cwd: scene.record.path });
    await scene.control(["merge-tree", "--write-tree", ours, theirs], scene.world.root);
    expect((await mergeTree(scene.world.repo, ours, theirs)).clean).toBe(false);
    expect((await mergeTree(scene.world.repo, ours, theirs, scene.base)).clean).toBe(false);
    await everything(scene);
    expect(scene.hasFired()).toBe(false);
  });

  test("a signature check in the log", async () => {
    const scene = await makeScene();
    await scene.world.git(["config", "log.showSignature", "true"]);
    await scene.world.git(["config", "gpg.program", scene.command]);
    const tree = await scene.world.git(["rev-parse", "HEAD^{tree}"]);
    const who = "Pat <pat@example.org> 1700000000 +0000";
    const object = `tree ${tree}\nparent ${scene.base}\nauthor ${who}\ncommitter ${who}\ngpgsig -----BEGIN PGP SIGNATURE-----\n x\n -----END PGP SIGNATURE-----\n\nsigned\n`;
    const signed = await scene.world.git(["hash-object", "-t", "commit", "-w", "--stdin"], {
      input: object,
    });
    await scene.control(["log", "-1", signed]);
    expect(await log(scene.world.repo, scene.base, signed)).toHaveLength(1);
    expect(scene.hasFired()).toBe(false);
  });

  test("a promisor remote that is a command, reached through an object that is missing", async () => {
    const scene = await makeScene();
    const { world } = scene;
    await world.git(["config", "core.repositoryFormatVersion", "1"]);
    await world.git(["config", "extensions.partialClone", "evil"]);
    await world.git(["config", "remote.evil.url", `file://${world.dir}/none.git`]);
    await world.git(["config", "remote.evil.promisor", "true"]);
    await world.git(["config", "remote.evil.uploadpack", `touch ${scene.canary}; false`]);
    const missing = "1234567890123456789012345678901234567890";
    await writeFile(join(scene.record.gitDir, "HEAD"), `${missing}\n`);
    await scene.control(["cat-file", "-e", missing]);
    await expect(readHead(world.repo, scene.place, scene.base)).rejects.toMatchObject({
      code: "no_commits",
    });
    expect(await resolve(world.repo, missing)).toBeUndefined();
    await expect(mergeTree(world.repo, scene.base, missing)).rejects.toMatchObject({
      code: "not_found",
    });
    const taken = await snapshot(world.repo, scene.place, { ref: "refs/muster/x/1", message: "x" });
    expect(await world.git(["cat-file", "blob", `${taken.commit}:a.txt`])).toBe("aaaa");
    expect(scene.hasFired()).toBe(false);
  });
});
