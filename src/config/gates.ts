/** The gate that muster proposes where none is configured (design §5): the test command that a project's own files name. */

export interface ProposedGate {
  readonly gate: readonly string[];
  /** Why, such as `package.json has a "test" script`. */
  readonly reason: string;
}

/** The text of a file by its path from the root; undefined where there is none. */
export type ReadRoot = (path: string) => string | undefined;

/** The first that fits of package.json, Makefile, pyproject.toml, Cargo.toml and go.mod; null where nothing does. */
export function proposeGate(read: ReadRoot): ProposedGate | null {
  return (
    fromPackage(read) ?? fromMakefile(read) ?? fromPython(read) ?? fromCargo(read) ?? fromGo(read)
  );
}

/** What `npm init` writes is no test. */
const placeholder = /no test specified/;

function fromPackage(read: ReadRoot): ProposedGate | null {
  const text = read("package.json");
  if (text === undefined) return null;
  const manifest = json(text);
  const script = property(property(manifest, "scripts"), "test");
  if (typeof script !== "string" || script.trim() === "" || placeholder.test(script)) return null;
  const manager = managerOf(read, property(manifest, "packageManager"));
  const command = manager === "bun" ? "bun run test" : `${manager} test`;
  return { gate: [command], reason: 'package.json has a "test" script' };
}

const lockfiles = [
  ["pnpm-lock.yaml", "pnpm"],
  ["yarn.lock", "yarn"],
  ["bun.lock", "bun"],
  ["bun.lockb", "bun"],
  ["package-lock.json", "npm"],
] as const;

function managerOf(read: ReadRoot, said: unknown): "npm" | "pnpm" | "yarn" | "bun" {
  const locked = lockfiles.find(([file]) => read(file) !== undefined)?.[1];
  if (locked !== undefined) return locked;
  const name = typeof said === "string" ? said.split("@")[0] : undefined;
  return name === "pnpm" || name === "yarn" || name === "bun" ? name : "npm";
}

function json(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined; // Not ours to report: a broken manifest proposes nothing.
  }
}

function property(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, key)
    ? Reflect.get(value, key)
    : undefined;
}

function fromMakefile(read: ReadRoot): ProposedGate | null {
  // The order in which make itself looks.
  for (const file of ["GNUmakefile", "makefile", "Makefile"]) {
    const text = read(file);
    if (text === undefined) continue;
    return text.split("\n").some(definesTest)
      ? { gate: ["make test"], reason: `${file} has a "test" target` }
      : null;
  }
  return null;
}

/** `test:` or `test` among several targets, but no recipe, no comment, no assignment. */
function definesTest(line: string): boolean {
  const colon = line.indexOf(":");
  if (colon < 0 || line.startsWith("\t") || line.startsWith("#")) return false;
  if (/^::?:?=/.test(line.slice(colon, colon + 4))) return false;
  return line.slice(0, colon).trim().split(/\s+/).includes("test");
}

function fromPython(read: ReadRoot): ProposedGate | null {
  const project = read("pyproject.toml");
  const named = project !== undefined && /pytest/.test(withoutComments(project));
  const file = named
    ? "pyproject.toml"
    : ["pytest.ini", ".pytest.ini"].find((name) => read(name) !== undefined);
  if (file === undefined) return null;
  const command =
    read("uv.lock") !== undefined
      ? "uv run pytest"
      : read("poetry.lock") !== undefined
        ? "poetry run pytest"
        : "python3 -m pytest";
  return { gate: [command], reason: named ? "pyproject.toml names pytest" : `there is a ${file}` };
}

function withoutComments(toml: string): string {
  return toml
    .split("\n")
    .filter((line) => !line.trimStart().startsWith("#"))
    .join("\n");
}

function fromCargo(read: ReadRoot): ProposedGate | null {
  return read("Cargo.toml") === undefined
    ? null
    : { gate: ["cargo test"], reason: "there is a Cargo.toml" };
}

function fromGo(read: ReadRoot): ProposedGate | null {
  return read("go.mod") === undefined
    ? null
    : { gate: ["go test ./..."], reason: "there is a go.mod" };
}
