import { describe, expect, test } from "vitest";
import { script } from "../../../src/testing/model/marker.ts";
import { prompt } from "../../../src/testing/model/behaviors.ts";
import { bash, calls, edit, say, write } from "../../../src/testing/model/steps.ts";
import { describeEnds, describeFailures } from "./ends.suite.ts";
import { binary, startSession, useHere } from "./harness.ts";
import { isResult, ofSubtype } from "./reading.ts";
import { describeQuestions, describeRounds } from "./rounds.suite.ts";

describe("the real claude on the scripted model", { timeout: 30_000 }, () => {
  const here = useHere(() => binary);
  describeRounds(here);
  describeQuestions(here);
  describeFailures(here);
  describeEnds(here);

  test("makes one request for each step and names its session in it", async () => {
    const session = startSession(here.place, [
      "--append-system-prompt=Mind the gap.",
      "--tools=Bash,Read,Edit,Write",
    ]);
    session.say(prompt("Go.", [write("a.txt", "a b"), edit("a.txt", "b", "c"), say("end")]));
    const { session_id: sessionId } = await session.next(isResult);
    const requests = here.model.requests();
    expect(requests.map(({ kind, stream, answer }) => [kind, stream, answer.step])).toEqual([
      ["main", true, 0],
      ["main", true, 1],
      ["main", true, 2],
    ]);
    expect(requests[0]).toMatchObject({
      sessionId,
      retryCount: 0,
      userAgent: expect.stringMatching(/^claude-cli\//),
    });
    expect(requests[0]?.system).toContain("Mind the gap.");
    expect(requests[0]?.tools).toEqual(expect.arrayContaining(["Bash", "Edit", "Read", "Write"]));
    expect(requests[0]?.tools).not.toContain("AskUserQuestion");
    expect(requests[2]?.toolResultCount).toBe(3);
    expect(await here.place.git("diff", "--no-index", "/dev/null", "a.txt")).toContain("+a c");
  });

  test("goes on with its script behind a compaction in the middle of a turn", async () => {
    const session = startSession(here.place, [], { CLAUDE_CODE_AUTO_COMPACT_WINDOW: "100000" });
    const full = { ...write("b.txt", "b"), usage: { input_tokens: 170_000 } };
    const steps = [write("a.txt", "a"), full, write("c.txt", "c"), say("end")];
    session.say(prompt("Go.", steps, [{ match: "more", steps: [say("more")] }]));
    await session.next(ofSubtype("compact_boundary"));
    expect(await session.next(isResult)).toMatchObject({ is_error: false, result: "end" });
    session.say("Do more.");
    expect(await session.next(isResult)).toMatchObject({ result: "more" });
    expect(here.model.requests().map(({ kind, answer }) => [kind, ...answer.tools])).toEqual([
      ["main", "Write"],
      ["main", "Write"],
      ["compact"],
      ["main", "Write"],
      ["main"],
      ["main"],
    ]);
  });

  test("comes back for a step whose calls were lost with the stream", async () => {
    const session = startSession(here.place);
    const step = {
      ...say("now"),
      ...calls({ name: "Write", input: { file_path: "a.txt", content: "a" } }),
    };
    session.say(`Go. ${script([{ sseError: "overloaded", times: 1 }, step, say("end")])}`);
    expect(await session.next(isResult)).toMatchObject({ is_error: false, result: "end" });
    expect(await here.place.git("status", "--porcelain")).toBe("?? a.txt");
  });

  test("without tools still gets its texts, as a side request", async () => {
    const session = startSession(here.place, ["--tools="]);
    session.say(prompt("Go.", [bash("ls"), say("unreached")]));
    expect(await session.next(isResult)).toMatchObject({ result: "Done." });
    expect(here.model.requests().map(({ kind }) => kind)).toEqual(["side"]);
  });

  test("is held up by what is forced on it, whatever its script says", async () => {
    here.model.force({ status: 500, times: 2, kind: "main" });
    const session = startSession(here.place);
    session.say(prompt("Go.", [say("end")]));
    const retried = await here.model.waitFor(({ answer }) => answer.failure === null, 20_000);
    expect(retried.seq).toBe(3);
    expect(await session.next(isResult)).toMatchObject({ is_error: false, result: "end" });
  });
});
