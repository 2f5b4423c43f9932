/** Trust: what a project's own Claude configuration is, and a person's word that sessions may load it as it is. */
import type { TrustGiven, TrustRequest } from "../api/schema.ts";
import type { OwnConfigView } from "../api/service.ts";
import { Fault } from "../core/fault.ts";
import { shellWord } from "../core/words.ts";
import type { State } from "../core/state.ts";
import { type Repository, openRepository } from "../git/git.ts";
import { type OwnFile, readOwnConfig, readOwnFile } from "../git/own-config.ts";
import type { Engine } from "./engine.ts";
import { readTarget } from "./project.ts";

/** Files that say what runs: shown whole. */
const telling = /(?:^|\/)(?:settings(?:\.local)?\.json|\.mcp\.json)$/;
const maxShownBytes = 64 * 1024;

/** The configuration on the head of the target, whose sessions would load it. */
export async function lookAtOwnConfig(
  { cwd, env, target: wanted }: TrustRequest,
  state: State,
  scratch: string,
): Promise<OwnConfigView> {
  const repo = await openRepository(cwd, env, { scratch });
  const { target, base } = await readTarget(repo, wanted ?? undefined);
  const { tree, files, leftOut } = await readOwnConfig(repo, base);
  const trusted = state.projects.get(repo.common)?.trusted.includes(tree) === true;
  return {
    project: repo.root,
    target,
    commit: base,
    tree: files.length === 0 ? null : tree,
    trusted,
    files: await Promise.all(
      files.map(async (file) => ({
        path: file.path,
        bytes: file.bytes,
        executable: file.executable,
        text: await textOf(repo, file),
      })),
    ),
    leftOut,
  };
}

async function textOf(repo: Repository, file: OwnFile): Promise<string | null> {
  if (!telling.test(file.path) || file.bytes > maxShownBytes) return null;
  return (await readOwnFile(repo, file)).toString("utf8");
}

/** Records that a person trusts what they were shown. Throws Fault `refused` where it has changed since, or there is nothing. */
export async function giveTrust(
  request: TrustGiven,
  engine: Engine,
  scratch: string,
): Promise<OwnConfigView> {
  const view = await lookAtOwnConfig(request, engine.state, scratch);
  if (view.tree !== request.tree)
    throw new Fault("refused", `the Claude configuration of ${view.project} has changed since`, {
      remedy: `muster trust ${shellWord(view.project)}`,
    });
  const { common } = await openRepository(request.cwd, request.env, { scratch });
  await engine.command({ type: "trust", project: common, tree: request.tree });
  return { ...view, trusted: true };
}
