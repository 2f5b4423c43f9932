/** Builders for steps. Paths may be relative: the program takes them from the session's working directory. */
import type { MessageStep, ToolCall } from "./script.ts";

/** One assistant message of text. */
export function say(text: string, more: Omit<MessageStep, "say"> = {}): MessageStep {
  return { say: text, ...more };
}

/** One assistant message of thinking and whatever `more` says. */
export function think(text: string, more: Omit<MessageStep, "think"> = {}): MessageStep {
  return { think: text, ...more };
}

/** One assistant message with these calls, which the program runs in this order. */
export function calls(...tools: readonly ToolCall[]): MessageStep {
  return { tools };
}

/** Writes a file, new or not. */
export function write(path: string, text: string): MessageStep {
  return calls({ name: "Write", input: { file_path: path, content: text } });
}

/** Writes several files in one assistant message. */
export function writeAll(files: Readonly<Record<string, string>>): MessageStep {
  return calls(...Object.entries(files).flatMap(([path, text]) => write(path, text).tools ?? []));
}

/** Replaces a text that occurs exactly once; reads the file first, as the tool demands. */
export function edit(path: string, from: string, to: string): MessageStep {
  return calls(
    { name: "Read", input: { file_path: path } },
    { name: "Edit", input: { file_path: path, old_string: from, new_string: to } },
  );
}

/** Runs a shell command. */
export function bash(command: string): MessageStep {
  return calls({ name: "Bash", input: { command } });
}

/** Commits everything in the working directory. */
export function commit(message: string): MessageStep {
  return bash(`git add -A && git commit -q -m ${quote(message)}`);
}

/** Asks the person one question with the given labels, of which they may choose one. */
export function ask(question: string, options: readonly string[]): MessageStep {
  return calls({
    name: "AskUserQuestion",
    input: {
      questions: [
        {
          question,
          // The tool shows at most 12 characters.
          header: question.slice(0, 12).trim(),
          multiSelect: false,
          options: options.map((label) => ({ label, description: label })),
        },
      ],
    },
  });
}

/** A text as one word of a POSIX shell. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
