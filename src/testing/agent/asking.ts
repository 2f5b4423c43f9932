/** Open permission requests: sent as control requests, answered by control responses, withdrawn by an interrupt. */
import type { ControlResponse, ToolUse, Wire } from "./wire.ts";
import { canUseTool, cancelRequest, sessionState } from "./wire.ts";

export type Decision =
  | { readonly behavior: "allow"; readonly input: Wire }
  | { readonly behavior: "deny"; readonly message: string }
  | { readonly behavior: "withdrawn" };

export interface Asking {
  /** Asks and waits, without a limit as the real program, for an answer, the signal or the end of stdin. */
  ask(tool: ToolUse, signal: AbortSignal): Promise<Decision>;
  /** Takes an answer; one for a request that is not open is ignored. */
  answer(response: ControlResponse): void;
  /** Nobody can answer any more. */
  close(): void;
}

/** The permission requests of a session. */
export function createAsking(emit: (message: Wire) => void): Asking {
  const open = new Map<string, (decision: Decision) => void>();
  let closed = false;
  const nobody: Decision = {
    behavior: "deny",
    message: "Nobody is there to answer: the input has ended.",
  };
  return {
    async ask(tool, signal) {
      if (closed) return nobody;
      const id = crypto.randomUUID();
      emit(sessionState("requires_action"));
      emit(canUseTool(id, tool));
      const withdraw = (): void => {
        if (!open.has(id)) return;
        emit(cancelRequest(id));
        open.get(id)?.({ behavior: "withdrawn" });
      };
      signal.addEventListener("abort", withdraw, { once: true });
      const decision = await new Promise<Decision>((resolve) => open.set(id, resolve));
      signal.removeEventListener("abort", withdraw);
      open.delete(id);
      emit(sessionState("running"));
      return decision.behavior === "allow" && Object.keys(decision.input).length === 0
        ? { ...decision, input: tool.input }
        : decision;
    },
    answer({ response }) {
      open.get(response.request_id)?.(decisionOf(response.response ?? {}));
    },
    close() {
      closed = true;
      for (const resolve of open.values()) resolve(nobody);
    },
  };
}

function decisionOf(response: Wire): Decision {
  const { behavior, updatedInput, message } = response;
  if (behavior !== "allow") {
    return { behavior: "deny", message: typeof message === "string" ? message : "Denied." };
  }
  return { behavior: "allow", input: isRecord(updatedInput) ? updatedInput : {} };
}

function isRecord(value: unknown): value is Wire {
  return typeof value === "object" && value !== null;
}
