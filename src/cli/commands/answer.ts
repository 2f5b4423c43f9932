/** `muster answer`: a person's word to an open question. */
import type { Command } from "commander";
import type { CommandRequest } from "../../api/schema.ts";
import { Fault } from "../../core/fault.ts";
import { type ActFlags, act, actFlags, requireText } from "../act.ts";
import { isTaskName, latestRun } from "../address.ts";
import { type Connection, connect } from "../connect.ts";
import { examples } from "../help.ts";
import { type Question, isAt, openQuestions, theQuestion } from "../questions.ts";

interface AnswerFlags extends ActFlags {
  readonly id?: string;
  readonly allow?: boolean;
  readonly deny?: boolean;
  readonly because?: string;
}

type Answer = Extract<CommandRequest, { type: "answer" }>["answer"];

export function answerCommand(root: Command): void {
  const command = root
    .command("answer")
    .description("answer an open question")
    .argument("[run/task]", "a task; not needed for the only question")
    .argument("[text]", "the answer, in words")
    .option("--id <ask>", "which question of the task")
    .option("--allow", "say yes")
    .option("--deny", "say no")
    .option("--because <text>", "why not");
  actFlags(command).action(answer);
  examples(command, [
    ["muster answer --allow", "the only open question"],
    ['muster answer api --deny --because "no network"', "a permission"],
    ['muster answer api "take the second"', "in words"],
  ]);
}

async function answer(
  first: string | undefined,
  second: string | undefined,
  flags: AnswerFlags,
): Promise<void> {
  const daemon = await connect();
  const { address, text } = await sortWords(daemon, first, second, flags);
  const given = toAnswer(flags, text);
  const question = await theQuestion(daemon, {
    address,
    ask: flags.id,
    fits: () => true,
    noun: "question",
  });
  const { run, task, id, kind } = question;
  if (kind === "question" && given.is === "allow")
    throw new Fault("usage", `${run}/${task} asks a question, expected its answer in words`, {
      remedy: `muster answer ${run}/${task} "TEXT"`,
    });
  await act(daemon, { type: "answer", run, task, ask: id, answer: given }, flags, () => ({
    text: `answered ${run}/${task}`,
    notes: toldNo(question, given),
  }));
}

/** With one word and no flag it is the text, unless it names a task, which may ask nothing: then the text is missing. */
async function sortWords(
  daemon: Connection,
  first: string | undefined,
  second: string | undefined,
  { allow, deny }: AnswerFlags,
): Promise<{ address: string | undefined; text: string | undefined }> {
  if (second !== undefined || allow === true || deny === true)
    return { address: first, text: second };
  if (first === undefined) return { address: undefined, text: undefined };
  const open = await openQuestions(daemon);
  if (open.length === 0) return { address: undefined, text: first };
  const isAddress =
    open.some((question) => isAt(question, first)) ||
    (await isTaskName(daemon, first, [await latestRun(daemon), ...open.map(({ run }) => run)]));
  return isAddress ? { address: first, text: undefined } : { address: undefined, text: first };
}

function toAnswer({ allow, deny, because }: AnswerFlags, text: string | undefined): Answer {
  const said = [allow === true, deny === true, text !== undefined].filter(Boolean).length;
  if (said !== 1)
    throw new Fault(
      "usage",
      said === 0 ? "no answer given" : "more than one answer given, expected one",
      { remedy: "muster answer --help" },
    );
  if (because !== undefined && deny !== true)
    throw new Fault("usage", "--because goes with --deny", { remedy: "muster answer --help" });
  if (text !== undefined) return { is: "text", text: requireText(text, "answer") };
  if (allow === true) return { is: "allow" };
  return { is: "deny", because: requireText(because ?? "a person said no", "answer") };
}

/** Words to a permission are a no with a reason: said, because they may have been meant as a yes. */
function toldNo({ kind }: Question, { is }: Answer): readonly string[] {
  if (kind !== "permission" || is !== "text") return [];
  return ["◎ words deny a permission, and the session gets them; a yes is --allow"];
}
