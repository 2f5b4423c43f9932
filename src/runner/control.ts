/** The lines that go to a session's stdin. One malformed line ends the process, so everything goes through JSON.stringify. */
import type { Answer } from "../core/attempt.ts";
import { isJson } from "./messages.ts";

export function interruptLine(id: string): string {
  return request(id, { subtype: "interrupt", cancel_queued: true });
}

export function endSessionLine(id: string): string {
  return request(id, { subtype: "end_session" });
}

function request(id: string, body: object): string {
  return JSON.stringify({ type: "control_request", request_id: id, request: body });
}

export function messageLine(uuid: string, text: string): string {
  return JSON.stringify({
    type: "user",
    message: { role: "user", content: text },
    parent_tool_use_id: null,
    uuid,
  });
}

export function answerLine(ask: string, answer: Answer, input: unknown): string {
  const response = {
    subtype: "success",
    request_id: ask,
    response: permissionResult(answer, input),
  };
  return JSON.stringify({ type: "control_response", response });
}

export type PermissionResult =
  | { readonly behavior: "allow"; readonly updatedInput: Record<string, unknown> }
  | { readonly behavior: "deny"; readonly message: string };

/** An answer in the binary's words; AskUserQuestion takes its answers as part of the input. */
export function permissionResult(answer: Answer, input: unknown): PermissionResult {
  if (answer.is === "deny") return { behavior: "deny", message: answer.because };
  const given = isJson(input) ? { ...input } : {};
  return {
    behavior: "allow",
    updatedInput: answer.answers === null ? given : { ...given, answers: answer.answers },
  };
}
