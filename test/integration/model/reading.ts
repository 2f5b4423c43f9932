/** What tests look for in a session's messages, and what they answer. */
import type { Session, Wire } from "./harness.ts";

export const ofType =
  (type: string) =>
  (message: Wire): boolean =>
    message.type === type;
export const ofSubtype =
  (subtype: string) =>
  (message: Wire): boolean =>
    message.subtype === subtype;
export const isResult = ofType("result");
export const isAsked = ofType("control_request");
export const isIdle = (message: Wire): boolean => message.state === "idle";
export const isLifecycle =
  (state: string, uuid: string) =>
  (message: Wire): boolean =>
    message.state === state && message.command_uuid === uuid;

/** Allows the call that is asked for, with other input if given. */
export function allow(
  session: Session,
  { request_id, request }: Wire,
  input = request?.input,
): void {
  const response = { behavior: "allow", updatedInput: input };
  session.send({
    type: "control_response",
    response: { subtype: "success", request_id, response },
  });
}

export function deny(session: Session, { request_id }: Wire, message: string): void {
  const response = { behavior: "deny", message };
  session.send({
    type: "control_response",
    response: { subtype: "success", request_id, response },
  });
}

export function interrupt(session: Session): void {
  session.send({ type: "control_request", request_id: "stop", request: { subtype: "interrupt" } });
}

/** What a reader sees, in order and without what only some programs say. */
export function outline(session: Session): readonly string[] {
  const known = ["init", "session_state_changed", "api_retry"];
  return session.messages
    .filter(({ type, subtype }) => type !== "system" || known.includes(subtype ?? ""))
    .map(({ type, subtype, state }) => state ?? (type === "system" ? subtype : type) ?? "");
}

/** US dollars since the result before. */
export function costOf({ model_usage_since_last_result: usage = {} }: Wire): number {
  return Object.values(usage).reduce((sum, { costUSD }) => sum + costUSD, 0);
}
