/** A child on our own pipes. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startPiped } from "../../../src/process/piped.ts";
import { tempFolder } from "../../faults/folder.ts";

test("its end is recorded though something that it left behind has its pipes open, the one of the secret too", async (context) => {
  const dir = join(tempFolder(context), "1");
  const script = "sleep 60 & echo $!; exit 3";
  const env = { PATH: "/usr/bin:/bin" };
  const child = startPiped({ dir, argv: ["/bin/sh", "-c", script], cwd: "/", env, secret: "s" });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const left = Number(String(line));
  context.onTestFinished(() => void process.kill(left, "SIGKILL"));
  await new Promise((resolve) => child.stdout.once("end", resolve).resume());
  expect(process.kill(left, 0)).toBe(true);
  expect(readFileSync(join(dir, "exit"), "utf8")).toBe("3\n");
});
