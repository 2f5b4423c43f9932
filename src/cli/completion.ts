/** Completion scripts, made from the commands themselves; ids come from `muster complete`, which asks the daemon. */
import type { Command } from "commander";

export interface Verb {
  readonly name: string;
  readonly about: string;
  readonly flags: readonly string[];
  /** Words that may follow: subcommands, or what the argument names. */
  readonly words: readonly string[];
  /** What of a run the argument names; null for none. */
  readonly ids: "runs" | "tasks" | "targets" | null;
  readonly files: boolean;
}

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

/** The visible verbs of a program. */
export function verbsOf(root: Command): readonly Verb[] {
  const help = root.createHelp();
  return help
    .visibleCommands(root)
    .filter((command) => command.name() !== "help")
    .map((command) => verbOf(command));
}

function verbOf(command: Command): Verb {
  const name = command.registeredArguments[0]?.name() ?? "";
  const subcommands = command.commands.map((each) => each.name());
  const flags = [command, ...command.commands].flatMap((each) =>
    each.options.flatMap(({ long }) => (long == null ? [] : [long])),
  );
  return {
    name: command.name(),
    about: command.description(),
    flags: [...new Set([...flags, "--help"])],
    words: name.includes("|") ? name.split("|") : subcommands,
    ids: idsOf(name),
    files: name === "what",
  };
}

function idsOf(name: string): Verb["ids"] {
  if (name === "run") return "runs";
  if (name === "run/task") return "tasks";
  return name === "run[/task]" ? "targets" : null;
}

export function completionScript(shell: Shell, verbs: readonly Verb[]): string {
  switch (shell) {
    case "bash":
      return bashScript(verbs);
    case "zsh":
      return zshScript(verbs);
    case "fish":
      return fishScript(verbs);
  }
}

/** Words of one verb, as a shell list with the ids filled in as it runs. */
function wordsOf({ words, ids }: Verb): string {
  const fixed = words.join(" ");
  return ids === null ? fixed : `${fixed}$(muster complete ${ids} 2>/dev/null)`;
}

function bashScript(verbs: readonly Verb[]): string {
  const cases = verbs.map(
    (verb) =>
      `    ${verb.name}) flags="${verb.flags.join(" ")}"; [ -n "$dash" ] || words="${wordsOf(verb)}"; files=${verb.files ? 1 : ""} ;;`,
  );
  return `# muster completion for bash. To load it, add to ~/.bashrc: eval "$(muster completion bash)"
_muster() {
  local cur=\${COMP_WORDS[COMP_CWORD]} words= flags= files= dash=
  case "$cur" in -*) dash=1 ;; esac
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="${verbs.map(({ name }) => name).join(" ")}" flags="--help --version"
  else
    case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
    esac
  fi
  [ -z "$dash" ] || words=$flags
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [ -n "$files" ] && [ -z "$dash" ]; then COMPREPLY+=($(compgen -f -- "$cur")); fi
}
complete -o filenames -F _muster muster
`;
}

function zshScript(verbs: readonly Verb[]): string {
  const about = verbs.map(({ name, about: text }) => `    '${name}:${text.replaceAll("'", "")}'`);
  const cases = verbs.map((verb) => {
    const files = verb.files ? " _files;" : "";
    const words = wordsOf(verb);
    const ids = words === "" ? "" : ` compadd -- \${=:-${words}};`;
    return `    ${verb.name}) if [[ $PREFIX == -* ]]; then compadd -- ${verb.flags.join(" ")}; else${ids}${files} :; fi ;;`;
  });
  return `#compdef muster
# muster completion for zsh. To load it, add to ~/.zshrc: eval "$(muster completion zsh)"
_muster() {
  local -a verbs
  verbs=(
${about.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe verb verbs
    return
  fi
  case $words[2] in
${cases.join("\n")}
  esac
}
compdef _muster muster
`;
}

function fishScript(verbs: readonly Verb[]): string {
  const lines = verbs.flatMap((verb) => {
    const on = `-n '__fish_seen_subcommand_from ${verb.name}'`;
    const about = verb.about.replaceAll("'", "");
    const dynamic = verb.ids === null ? [] : [`(muster complete ${verb.ids} 2>/dev/null)`];
    return [
      `complete -c muster -n __fish_use_subcommand -a ${verb.name} -d '${about}'`,
      ...[...verb.words, ...dynamic].map((word) => `complete -c muster ${on} -a '${word}'`),
      ...verb.flags.map((flag) => `complete -c muster ${on} -l ${flag.slice(2)}`),
      ...(verb.files ? [`complete -c muster ${on} -F`] : []),
    ];
  });
  return `# muster completion for fish. To load it: muster completion fish > ~/.config/fish/completions/muster.fish
complete -c muster -f
${lines.join("\n")}
`;
}
